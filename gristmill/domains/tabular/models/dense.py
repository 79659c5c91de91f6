"""Dense layers; without a hidden layer, linear regression by gradient descent."""

from typing import TYPE_CHECKING, Literal

from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Dense(Settings):
    """A stack of dense layers."""

    kind: Literal["dense"]
    units: Sizes = (32, 16)  # units of each hidden layer, with ReLU; [] for none

    def build(self, features: int) -> "keras.Model":
        """Return the network on encoded rows."""
        import keras

        row = keras.Input((features,))
        hidden = row
        for width in self.units:
            hidden = keras.layers.Dense(width, activation="relu")(hidden)
        return keras.Model(row, keras.layers.Dense(1)(hidden), name="dense")
