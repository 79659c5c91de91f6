"""Ridge regression on the lags."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import NonNegativeFloat

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.settings.base import Settings

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt


class Linear(Settings):
    """A linear map from history to horizon, fitted in closed form without epochs or learning rate.

    Source: Hoerl & Kennard, "Ridge Regression", Technometrics 12(1), 1970.
    """

    kind: Literal["linear"]
    l2: NonNegativeFloat = 1.0  # penalty on the sum of squared weights; the bias has none

    def build(self, shape: Shape) -> "keras.Model":
        """Return one dense layer on the lags."""
        import keras

        window = keras.Input((shape.history, shape.columns))
        return keras.Model(window, keras.layers.Dense(shape.outputs, name="lags")(shape.lags(window)), name="linear")

    def solve(self, network: "keras.Model", blocks: "Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]]") -> None:
        """Set the network's weights to the ridge solution over all windows.

        Each block has windows, (windows, history, columns), and targets, (windows, outputs).
        """
        import keras
        import numpy as np

        dense = network.get_layer("lags")
        lags = keras.Model(network.input, dense.input)
        size, outputs = dense.kernel.shape
        gram, cross = np.zeros((size + 1, size + 1)), np.zeros((size + 1, outputs))
        for windows, targets in blocks:
            features = np.asarray(lags(windows), np.float64)
            design = np.column_stack([features, np.ones(len(features))])
            gram += design.T @ design
            cross += design.T @ targets.astype(np.float64)
        penalty = self.l2 * np.diag([1.0] * size + [0.0])
        solution = np.linalg.lstsq(gram + penalty, cross)[0]  # (lags and bias, outputs)
        dense.set_weights([solution[:-1], solution[-1]])
