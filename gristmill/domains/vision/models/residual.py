"""Convolutions with shortcuts and batch normalisation; the depth depends on the size of the images.

Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016.
"""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gristmill.domains.vision.models import Shape
from gristmill.settings.base import Settings, Size

if TYPE_CHECKING:
    import keras

_SIDE = 64  # pixels per side to which larger images are reduced, approximately
_LAST_SIDE = 4  # pixels per side of the last maps, approximately
_MAX_STAGES = 4
_MAX_WIDENING = 8  # filters of the last stage, as a multiple of the first convolution's
_MOMENTUM = 0.9  # of batch normalisation; Keras's default, 0.99, needs more updates than a small training set has


class Residual(Settings):
    """A small residual network: a convolution, then stages that halve the side and double the filters."""

    kind: Literal["residual"]
    width: Size = 32  # filters of the first convolution
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout before the last layer

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network on the pixels of an image."""
        from keras import Input, Model, layers

        image = Input(shape.image, name="image")
        features = layers.Rescaling(1 / 127.5, -1)(image)
        reduced = round(min(shape.image[:2]) / _SIDE)
        if reduced > 1:
            features = layers.AveragePooling2D(reduced)(features)
        features = _convolution(features, self.width)
        if min(features.shape[1:3]) > _LAST_SIDE:
            features = layers.MaxPooling2D(2)(features)
        halvings = math.ceil(math.log2(min(features.shape[1:3]) / _LAST_SIDE))
        for stage in range(min(_MAX_STAGES, max(1, halvings))):
            filters = self.width * min(2 ** (stage + 1), _MAX_WIDENING)
            features = _convolution(features, filters, strides=2)
            inner = _convolution(_convolution(features, filters), filters, activation=None)
            features = layers.ReLU()(layers.Add()([features, inner]))
        pooled = layers.Dropout(self.dropout)(layers.GlobalAveragePooling2D()(features))
        return Model(image, layers.Dense(shape.outputs)(pooled), name="residual")


def _convolution(features: Any, filters: int, strides: int = 1, activation: str | None = "relu") -> Any:
    """Return a 3 x 3 convolution with batch normalisation."""
    from keras import layers

    features = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(features)
    features = layers.BatchNormalization(momentum=_MOMENTUM)(features)
    return features if activation is None else layers.ReLU()(features)
