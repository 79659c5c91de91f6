"""Mean of the training targets."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.settings.base import Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.tabular.dataset import Prepared


class Mean(Settings):
    """The same prediction for every row: the mean of the training targets."""

    kind: Literal["mean"]
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to the mean."""
        import keras
        from keras import ops

        from gristmill.domains.tabular.encoder import build_encoder

        encoder = build_encoder(data.layout)
        mean = keras.layers.Rescaling(1.0, float(data.truth[data.parts == "train"].mean()), name="mean")
        return keras.Model(encoder.input, mean(ops.zeros_like(encoder.output[:, :1])), name="regressor")
