"""Baseline classifier that predicts the class frequencies for every text."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import Settings

if TYPE_CHECKING:
    from gristmill.domains.text.text_classifier import LabelledTexts, TextClassifier


class Majority(Settings):
    """The frequency of each class in the training set."""

    kind: Literal["majority"]
    baseline: ClassVar[bool] = True
    constant: ClassVar[bool] = True

    def fit(self, data: "LabelledTexts") -> "TextClassifier":
        """Return the classifier of texts, whose tokenizer knows one character."""
        import keras
        import numpy as np

        from gristmill.domains.common.classification.labelled import refuse_balanced
        from gristmill.domains.text.text_classifier import Padding, TextClassifier
        from gristmill.domains.text.tokenizer import Characters, Rules
        from gristmill.domains.text.tokens import SPECIAL
        from gristmill.training.lookup_tables import constant

        refuse_balanced(data.balanced)
        tokenizer = Characters([*SPECIAL, "a"], Rules("character", lower=True, punctuation="keep", lines=False))
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        nothing = keras.ops.cast(keras.ops.sum(keras.ops.zeros_like(tokens), axis=1, keepdims=True), "float32")
        frequencies = np.bincount(data.labels, minlength=data.classes) / len(data.labels)
        network = keras.Model(tokens, nothing + constant(frequencies, tokens, "frequencies"), name="constant")
        return TextClassifier.of(tokenizer, Padding(1), network)
