"""Recurrent layers that read each window from both ends: the course's week-3 network."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.errors import RequestError
from gristmill.settings.base import Settings, Sizes

if TYPE_CHECKING:
    import keras


class Bidirectional(Settings):
    """Two recurrent layers a layer, one forward and one backward in the window (Schuster & Paliwal, 1997)."""

    kind: Literal["bidirectional"]
    cell: Literal["rnn", "lstm", "gru"] = "lstm"  # of the layers
    units: Sizes = (32,)  # of each direction of each layer, one on the other

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes windows of any length.

        Raises:
            RequestError: asked for a forecast after each step, whose backward layers have seen what comes after it.
        """
        import keras

        from gristmill.domains.timeseries.recurrent import stack

        if shape.sequence:
            raise RequestError(
                "a bidirectional network reads a window backward too, so it has seen what train.targets = 'sequence' "
                "asks it to forecast. Set train.targets = 'last', or choose another model."
            )
        cell = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[self.cell]
        return keras.Sequential(
            [
                keras.Input((None, shape.columns)),
                *stack(cell, self.units, sequence=False, bidirectional=True),
                keras.layers.Dense(shape.outputs),
            ],
            name="bidirectional",
        )
