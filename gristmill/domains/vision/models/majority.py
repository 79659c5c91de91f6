"""Baseline classifier that predicts the class frequencies for every image."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.vision.labelled_images import LabelledImages


class Majority(Settings):
    """The frequency of each class in the training set."""

    kind: Literal["majority"]
    baseline: ClassVar[bool] = True
    constant: ClassVar[bool] = True

    def fit(self, data: "LabelledImages") -> "keras.Model":
        """Return the classifier of pixels."""
        from gristmill.domains.common.classification.labelled import refuse_balanced
        from gristmill.domains.vision.linear_classifier import majority_classifier

        refuse_balanced(data.balanced)
        return majority_classifier(data)
