"""Dense layers on the pixels."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gristmill.domains.vision.models import Shape
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Dense(Settings):
    """A stack of dense layers over all pixels."""

    kind: Literal["dense"]
    units: Sizes = (128,)  # units of each hidden layer, with ReLU; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # dropout after each hidden layer

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network on the pixels of an image."""
        import keras

        image = keras.Input(shape.image, name="image")
        features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
        for width in self.units:
            features = keras.layers.Dense(width, activation="relu")(features)
            features = keras.layers.Dropout(self.dropout)(features)
        return keras.Model(image, keras.layers.Dense(shape.outputs)(features), name="dense")
