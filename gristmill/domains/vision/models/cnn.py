"""Convolutions with pooling after each, then dense layers."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gristmill.domains.vision.models import Shape
from gristmill.errors import RequestError
from gristmill.settings.base import KernelSize, Settings, Sizes

if TYPE_CHECKING:
    import keras


class Cnn(Settings):
    """A stack of convolutions, each followed by a pool, then dense layers."""

    kind: Literal["cnn"]
    filters: Annotated[Sizes, Field(min_length=1)] = (64, 64)  # filters of each convolution, with ReLU
    kernel: KernelSize = 3  # side of the kernels in pixels
    padding: Literal["valid", "same"] = "valid"  # valid: each convolution loses kernel - 1 pixels; same: none
    pool: KernelSize = 2  # side of the max pooling in pixels; 1 for none
    batch_norm: bool = False  # batch normalisation after each convolution, before its ReLU
    pooling: Literal["flatten", "average"] = "flatten"  # keep all pixels of the last maps, or average them
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout before the dense layers
    units: Sizes = (128,)  # units of each dense layer, with ReLU; [] for none

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network on the pixels of an image.

        Raises:
            RequestError: the stack is too deep for the size of the images.
        """
        import keras

        self._check_depth(shape)
        image = keras.Input(shape.image, name="image")
        features = keras.layers.Rescaling(1 / 255)(image)
        for width in self.filters:
            convolution = keras.layers.Conv2D(width, self.kernel, padding=self.padding, use_bias=not self.batch_norm)
            features = convolution(features)
            if self.batch_norm:
                features = keras.layers.BatchNormalization()(features)
            features = keras.layers.MaxPooling2D(self.pool)(keras.layers.ReLU()(features))
        average = self.pooling == "average"
        features = (keras.layers.GlobalAveragePooling2D() if average else keras.layers.Flatten())(features)
        features = keras.layers.Dropout(self.dropout)(features)
        for width in self.units:
            features = keras.layers.Dense(width, activation="relu")(features)
        return keras.Model(image, keras.layers.Dense(shape.outputs)(features), name="cnn")

    def _check_depth(self, shape: Shape) -> None:
        """Raise a `RequestError` if a layer would have no pixels left."""
        lost = self.kernel - 1 if self.padding == "valid" else 0
        sides = [shape.height, shape.width]
        for number in range(1, len(self.filters) + 1):
            convolved = [side - lost for side in sides]
            pooled = [side // self.pool for side in convolved]
            for layer, taken, left in (("convolution", sides, convolved), ("pool", convolved, pooled)):
                if min(left) < 1:
                    raise RequestError(
                        f"model.filters: {layer} {number} of {len(self.filters)} takes maps of {taken[0]} x {taken[1]} "
                        f"pixels and leaves no pixels (images: {shape.height} x {shape.width}). Use fewer "
                        "filters, padding = 'same', a smaller kernel or pool, or a larger preprocess.size."
                    )
            sides = pooled
