"""The frequencies of the classes, whatever the text: what every classifier must beat."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import Settings

if TYPE_CHECKING:
    from gristmill.domains.text.text_model import LabelledTexts, TextModel


class Majority(Settings):
    """The frequency of each class in the training set."""

    kind: Literal["majority"]
    baseline: ClassVar[bool] = True

    def fit(self, data: "LabelledTexts") -> "TextModel":
        """Return the classifier of texts."""
        import numpy as np

        from gristmill.domains.text.constant_classifier import constant_classifier

        return constant_classifier(np.bincount(data.labels, minlength=data.classes) / len(data.labels))
