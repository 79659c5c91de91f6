"""Dense layers; without a hidden one, linear regression by gradients."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from gristmill.settings.base import Settings

if TYPE_CHECKING:
    import keras


class Dense(Settings):
    """A stack of dense layers."""

    kind: Literal["dense"]
    units: Annotated[tuple[PositiveInt, ...], Field(strict=False)] = (32, 16)  # of each hidden layer, relu; [] for none

    def build(self, features: int) -> "keras.Model":
        """Return the network on encoded rows."""
        import keras

        row = keras.Input((features,))
        hidden = row
        for width in self.units:
            hidden = keras.layers.Dense(width, activation="relu")(hidden)
        return keras.Model(row, keras.layers.Dense(1)(hidden), name="dense")
