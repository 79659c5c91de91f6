"""Networks that read a window step by step, of any length: recurrent layers, causal convolutions, and both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from gristmill.domains.timeseries.data.view import NetworkSettings
from gristmill.domains.timeseries.models import Shape
from gristmill.errors import RequestError
from gristmill.settings.base import KernelSize, Size, Sizes

if TYPE_CHECKING:
    import keras


class Recurrent(NetworkSettings):
    """Recurrent layers of one kind, then a dense layer."""

    units: Sizes = (32,)  # units of each recurrent layer, from the first to the last

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes windows of any length."""
        return _network(self.kind, shape, stack(self.kind, self.units, shape.sequence))


class Rnn(Recurrent):
    """Simple recurrent layers: each step sees its values and the layer's last output."""

    kind: Literal["rnn"]


class Lstm(Recurrent):
    """Recurrent layers with gates and a cell state (Hochreiter & Schmidhuber, Neural Computation 9(8), 1997)."""

    kind: Literal["lstm"]


class Gru(Recurrent):
    """Recurrent layers with two gates and no cell state (Cho et al., EMNLP 2014)."""

    kind: Literal["gru"]


class Bidirectional(NetworkSettings):
    """Pairs of recurrent layers, one forward and one backward in the window (Schuster & Paliwal, 1997)."""

    kind: Literal["bidirectional"]
    cell: Literal["rnn", "lstm", "gru"] = "lstm"  # kind of the recurrent layers
    units: Sizes = (32,)  # units of each layer in each direction, from the first to the last

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes windows of any length.

        Raises:
            RequestError: a forecast after each step is requested; backward layers have seen what follows the step.
        """
        if shape.sequence:
            raise RequestError(
                "a bidirectional network also reads a window backward, so it has seen the values that train.targets = "
                "'sequence' asks it to forecast. Set train.targets = 'last', or choose another model."
            )
        return _network(self.kind, shape, stack(self.cell, self.units, sequence=False, bidirectional=True))


class ConvLstm(NetworkSettings):
    """A causal convolution, LSTM layers and dense layers."""

    kind: Literal["conv_lstm"]
    filters: Size = 60  # filters of the convolution
    kernel: KernelSize = 5  # observations that a filter spans
    units: Sizes = (60, 60)  # units of each LSTM layer; the last layer returns its final state
    dense: Sizes = (30, 10)  # units of each dense layer, with ReLU

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes windows of any length."""
        from keras import layers

        convolution = layers.Conv1D(self.filters, self.kernel, padding="causal", activation="relu")
        recurrent = stack("lstm", self.units, shape.sequence)
        dense = [layers.Dense(width, activation="relu") for width in self.dense]
        return _network(self.kind, shape, [convolution, *recurrent, *dense])


def stack(kind: str, widths: Sequence[int], sequence: bool, bidirectional: bool = False) -> list[Any]:
    """Return recurrent layers to be stacked; all but the last, and with `sequence` all, return their whole sequence."""
    from keras import layers

    cell: Any = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}[kind]
    whole = [True] * (len(widths) - 1) + [sequence]
    stacked = [cell(width, return_sequences=keep) for width, keep in zip(widths, whole, strict=True)]
    return [layers.Bidirectional(layer) for layer in stacked] if bidirectional else stacked


def _network(name: str, shape: Shape, hidden: list[Any]) -> "keras.Model":
    """Return the hidden layers between the windows and a dense layer of outputs."""
    import keras

    return keras.Sequential([keras.Input((None, shape.columns)), *hidden, keras.layers.Dense(shape.outputs)], name=name)


class Conv(NetworkSettings):
    """Dilated causal convolutions, as in WaveNet (van den Oord et al., arXiv 1609.03499, 2016)."""

    kind: Literal["conv"]
    filters: Sizes = (32, 32, 32)  # filters of each layer; dilations are 1, 2, 4, …
    kernel: KernelSize = 3  # observations that a filter spans

    def build(self, shape: Shape) -> "keras.Model":
        """Return the network, which takes windows of any length."""
        import keras

        window = keras.Input((None, shape.columns))
        features = window
        for layer, width in enumerate(self.filters):
            features = keras.layers.Conv1D(
                width, self.kernel, padding="causal", dilation_rate=2**layer, activation="relu"
            )(features)
        forecast = keras.layers.Dense(shape.outputs)(features if shape.sequence else features[:, -1])
        return keras.Model(window, forecast, name="conv")
