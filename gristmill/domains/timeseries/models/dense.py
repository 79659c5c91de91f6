"""Dense layers on the lags."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.timeseries.data.view import NetworkSettings
from gristmill.domains.timeseries.fits.model_shape import Shape
from gristmill.settings.base import Sizes

if TYPE_CHECKING:
    import keras


class Dense(NetworkSettings):
    """A stack of dense layers over the whole history."""

    kind: Literal["dense"]
    units: Sizes = (20, 10)  # units of each ReLU layer; [] for none

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network on the lags of a window."""
        import keras

        window = keras.Input((shape.history, shape.columns))
        features = shape.lags(window)
        for width in self.units:
            features = keras.layers.Dense(width, activation="relu")(features)
        return keras.Model(window, keras.layers.Dense(shape.outputs)(features), name="dense")
