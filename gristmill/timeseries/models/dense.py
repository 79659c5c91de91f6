"""Dense layers on the lags: the course's first network."""

from typing import TYPE_CHECKING, Literal

from gristmill.settings import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Dense(Settings):
    """A stack of dense layers over the whole history."""

    kind: Literal["dense"]
    units: Sizes = (20, 10)  # width of each hidden layer, relu

    def build(self, history: int, horizon: int) -> "keras.Model":
        """Return the network: (batch, history) to (batch, horizon)."""
        import keras

        hidden = [keras.layers.Dense(width, activation="relu") for width in self.units]
        return keras.Sequential([keras.Input((history,)), *hidden, keras.layers.Dense(horizon)], name="dense")
