"""Dense layers; without a hidden layer, linear or logistic regression by gradient descent."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras

    from gristmill.domains.tabular.models import Shape


class Dense(Settings):
    """A stack of dense layers.

    `pieces` is the piecewise linear encoding of numbers by Gorishniy et al. (2022), with which the first layer can
    learn a function of each number. Categories are one-hot, so the same layer learns an embedding of each value.
    """

    kind: Literal["dense"]
    units: Sizes = (32, 16)  # units of each hidden layer, with ReLU; [] for none
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of the hidden units dropped in each update
    pieces: Annotated[int, Field(ge=0, le=64)] = 0  # parts between quantiles into which numbers are split; 0 for none
    skewed_target: Literal["raw", "log"] = "raw"  # log: learn the logarithm of a target that is skewed and not negative

    def build(self, shape: "Shape") -> "keras.Model":
        """Return the network on encoded rows."""
        import keras

        row = keras.Input((shape.features,))
        hidden = row
        for width in self.units:
            hidden = keras.layers.Dense(width, activation="relu")(hidden)
            if self.dropout:
                hidden = keras.layers.Dropout(self.dropout)(hidden)
        return keras.Model(row, keras.layers.Dense(shape.outputs)(hidden), name="dense")
