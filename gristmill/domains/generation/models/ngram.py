"""N-gram models: probabilities of the next token from counts in the training set."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gristmill.settings.base import PositiveFloat, Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.generation.dataset import Prepared


class Counts(Settings):
    """Base of the n-gram models."""

    kind: str
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Count the n-grams of the training set, and return them as a network from token ids to logits."""
        return _fit(data, 1, 1.0)


class Unigram(Counts):
    """Frequency of each token, independent of the tokens before it."""

    kind: Literal["unigram"]
    constant: ClassVar[bool] = True


class Bigram(Counts):
    """Frequency of each token after the token before it."""

    kind: Literal["bigram"]

    def fit(self, data: "Prepared") -> "keras.Model":
        """Count the pairs of the training set, and return them as a network from token ids to logits."""
        return _fit(data, 2, 1.0)


class Ngram(Counts):
    """Frequency of each token after the tokens before it, with modified Kneser-Ney smoothing."""

    kind: Literal["ngram"]
    order: Annotated[int, Field(ge=2, le=12)] = 6  # tokens of an n-gram, including the predicted one
    discount: PositiveFloat = 1.0  # factor of the estimated discounts; above 1, rare n-grams count less

    def fit(self, data: "Prepared") -> "keras.Model":
        """Count the n-grams of the training set, and return them as a network from token ids to logits."""
        return _fit(data, self.order, self.discount)


def _fit(data: "Prepared", order: int, discount: float) -> "keras.Model":
    from gristmill.domains.generation.ngrams import count_grams, ngram_network

    return ngram_network(count_grams(data.token_stream(), order, discount), data.shape)
