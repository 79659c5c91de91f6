"""Linear classifiers on n-grams, fitted on the raw texts in seconds and without gradient descent."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gristmill.settings.base import NonNegativeInt, PositiveFloat, PositiveInt, Settings

if TYPE_CHECKING:
    from gristmill.domains.text.ngram_classifier import NgramOptions
    from gristmill.domains.text.text_classifier import LabelledTexts, TextClassifier


class NbLinear(Settings):
    """Logistic regression on n-grams of words, each scaled by how much more frequent it is in a class.

    Source: Wang & Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012. Pairs of
    distant words are skip-grams (Guthrie et al., "A closer look at skip-gram modelling", LREC 2006).
    """

    kind: Literal["nb_linear"]
    longest: Annotated[int, Field(ge=1, le=3)] = 3  # maximum number of words in an n-gram
    distance: Annotated[int, Field(ge=1, le=5)] = 1  # of the words of a pair, at most; 1 for neighbours only
    ending: NonNegativeInt = 0  # last words of longer texts, which with their pairs are features of their own as well
    vocabulary: Annotated[int, Field(ge=4, le=1_000_000)] = 1_000_000  # maximum number of words; others are ignored
    min_texts: PositiveInt = 2  # training texts that an n-gram must be in
    smoothing: PositiveFloat = 0.5  # added to each count of texts with an n-gram
    decay: PositiveFloat = 1.0  # penalty on the squared weights
    max_characters: PositiveInt = 50_000_000  # maximum to fit on, in 1 GiB; longer data is sampled by class

    @property
    def baseline(self) -> bool:
        """Whether it is the published classifier, to which others are compared."""
        return self.distance == 1 and not self.ending

    def fit(self, data: "LabelledTexts") -> "TextClassifier":
        """Return the classifier of texts."""
        from gristmill.domains.text.ngram_classifier import fit_words

        return fit_words(data, _options(self), self.longest, self.distance, self.ending)


class CharNgrams(Settings):
    """The same on n-grams of characters within words, which also cover inflections, misspellings and new words."""

    kind: Literal["char_ngrams"]
    shortest: Annotated[int, Field(ge=2, le=5)] = 2  # minimum number of characters in an n-gram
    longest: Annotated[int, Field(ge=2, le=5)] = 5  # maximum number of characters in an n-gram
    vocabulary: Annotated[int, Field(ge=4, le=6000)] = 4096  # maximum number of characters; others count as one
    min_texts: PositiveInt = 2  # training texts that an n-gram must be in
    smoothing: PositiveFloat = 0.5  # added to each count of texts with an n-gram
    decay: PositiveFloat = 10.0  # penalty on the squared weights
    max_characters: PositiveInt = 15_000_000  # maximum to fit on, in 1 GiB; longer data is sampled by class

    @field_validator("longest")
    @classmethod
    def _is_not_below_shortest(cls, longest: int, info: ValidationInfo) -> int:
        if longest < info.data.get("shortest", 2):
            raise ValueError("at least the number in 'shortest'")
        return longest

    def fit(self, data: "LabelledTexts") -> "TextClassifier":
        """Return the classifier of texts."""
        from gristmill.domains.text.ngram_classifier import fit_characters

        return fit_characters(data, _options(self), self.shortest, self.longest)


def _options(kind: NbLinear | CharNgrams) -> "NgramOptions":
    from gristmill.domains.text.ngram_classifier import NgramOptions

    return NgramOptions(kind.vocabulary, kind.min_texts, kind.smoothing, kind.decay, kind.max_characters)
