"""Dense layers: on the lags, or on the newest values and on means over increasingly long spans."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.timeseries.data.view import NetworkSettings
from gristmill.domains.timeseries.models import Shape, lags_and_means
from gristmill.settings.base import PositiveInt, Sizes

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


class Multiscale(NetworkSettings):
    """A small network that sees old values as means only, and adds to a linear map of what it sees.

    Sources: Corsi, "A Simple Approximate Long-Memory Model of Realized Volatility", Journal of Financial Econometrics
    7(2), 2009 (means over several spans); Challu et al., "N-HiTS", AAAI 2023 (dense layers on several rates); Das et
    al., "Long-term Forecasting with TiDE", TMLR 2023 (a parallel linear map).
    """

    kind: Literal["multiscale"]
    units: Sizes = (32, 32)  # units of each ReLU layer; [] for none
    lags: PositiveInt = 12  # newest values that the network sees one by one

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network on the newest values, the means of the last 2, 4, 8, … and of all, and known columns."""
        import keras

        window = keras.Input((shape.history, shape.columns))
        lengths = sorted({*(2**power for power in range(1, shape.history.bit_length())), shape.history})
        summary = lags_and_means(window[:, :, : shape.channels], min(self.lags, shape.history), lengths)
        seen = features = shape.with_known(summary, window)
        for width in self.units:
            features = keras.layers.Dense(width, activation="relu")(features)
        added = keras.layers.Dense(shape.outputs)(features) + keras.layers.Dense(shape.outputs)(seen)
        return keras.Model(window, added, name="multiscale")
