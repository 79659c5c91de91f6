"""Logistic regression on the features of a pretrained network, which is not trained.

The maps are averaged over the image and, unless `mirror` is off, its mirror image. Then they go through a root and are
scaled to length 1 (Perronnin, Sánchez & Mensink, "Improving the Fisher kernel for large-scale image classification",
ECCV 2010). Images are seen a little larger than those that the base was trained on (Touvron et al., "Fixing the
train-test resolution discrepancy", NeurIPS 2019).
"""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.vision.model_shape import Shape
from gristmill.domains.vision.models.transfer import BASES, Pretrained
from gristmill.settings.base import Size

if TYPE_CHECKING:
    import keras

    from gristmill.domains.vision.labelled_images import LabelledImages

_CUTS = {"MobileNet": "conv_pw_12_relu"}  # layer whose features suit other photos better than those of the last one


class Frozen(Pretrained):
    """Logistic regression on the features of a frozen base of keras.applications."""

    kind: Literal["frozen"]
    side: Size = 288  # pixels to which the shorter side of a smaller image is enlarged
    mirror: bool = True  # average the features with those of the mirror image; turn it off if left and right differ

    def fit(self, data: "LabelledImages") -> "keras.Model":
        """Return the classifier of pixels.

        Raises:
            WorkError: the weights cannot be fetched now.
            RequestError: the base has no such layer, or the weights do not fit it.
        """
        from gristmill.domains.vision.linear_classifier import fit_linear

        return fit_linear(data, data.featuriser(lambda: self.featuriser(data.layout.shape)))

    def featuriser(self, shape: Shape) -> "keras.Model":
        """Return the network from pixels to features, (batch, features); for errors see `fit`."""
        from gristmill.domains.vision import pretrained

        larger = max(1.0, self.side / min(shape.height, shape.width))
        seen = Shape(round(shape.height * larger), round(shape.width * larger), 3, shape.classes)
        network = pretrained.load(self.base, self.weights, seen)
        if cut := self.cut or _CUTS.get(self.base):
            network = pretrained.cut(network, cut)
        pretrained.freeze(network, None)
        base = pretrained.featuriser(network, BASES[self.base], "average")
        return pretrained.scaled_featuriser(base, shape.image, self.mirror)
