"""Classifiers in closed form: class frequencies, and logistic regression on fixed features of the pixels.

The L2 penalty of the regression is chosen by cross-validation.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import Settings, Size

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


class LinearPixels(Settings):
    """Logistic regression on the mean colours of a few areas."""

    kind: Literal["linear_pixels"]
    side: Size = 8  # areas per side
    baseline: ClassVar[bool] = True

    def fit(self, data: "LabelledImages") -> "keras.Model":
        """Return the classifier of pixels."""
        from gristmill.domains.vision.linear_classifier import fit_linear
        from gristmill.domains.vision.pixel_features import mean_pixels

        return fit_linear(data, data.featuriser(lambda: mean_pixels(data.layout.shape.image, self.side)))


class Histograms(Settings):
    """Logistic regression on histograms of gradient directions and of colours."""

    kind: Literal["histograms"]
    features: Literal["both", "gradients", "colours"] = "both"  # histograms to use

    def fit(self, data: "LabelledImages") -> "keras.Model":
        """Return the classifier of pixels."""
        from gristmill.domains.vision.linear_classifier import fit_linear
        from gristmill.domains.vision.pixel_features import histograms

        return fit_linear(data, data.featuriser(lambda: histograms(data.layout.shape.image, self.features)))
