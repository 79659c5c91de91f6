"""Causal convolutions with doubling dilations."""

from typing import TYPE_CHECKING, Literal

from gristmill.domains.timeseries.data.view import NetworkSettings
from gristmill.domains.timeseries.fits.model_shape import Shape
from gristmill.settings.base import KernelSize, Sizes

if TYPE_CHECKING:
    import keras


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
