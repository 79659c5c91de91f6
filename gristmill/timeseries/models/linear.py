"""Ridge regression on the lags."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import NonNegativeFloat

from gristmill.settings import Settings

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt


class Linear(Settings):
    """A linear map from history to horizon, fitted in closed form: no epochs, no learning rate.

    Source: Hoerl & Kennard, "Ridge Regression", Technometrics 12(1), 1970.
    """

    kind: Literal["linear"]
    l2: NonNegativeFloat = 1.0  # penalty on the squared weights, in sums over the training windows; the bias goes free

    def build(self, history: int, horizon: int) -> "keras.Model":
        """Return one dense layer: (batch, history) to (batch, horizon)."""
        import keras

        return keras.Sequential([keras.Input((history,)), keras.layers.Dense(horizon, name="lags")], name="linear")

    def solve(self, network: "keras.Model", histories: "npt.NDArray[Any]", targets: "npt.NDArray[Any]") -> None:
        """Set the network's weights to the ridge solution over all windows: (windows, history), (windows, horizon)."""
        import numpy as np

        x, y = histories.astype(np.float64), targets.astype(np.float64)
        x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
        x_centred, y_centred = x - x_mean, y - y_mean
        gram = x_centred.T @ x_centred + self.l2 * np.eye(x.shape[1])
        kernel = np.linalg.lstsq(gram, x_centred.T @ y_centred)[0]  # (history, horizon)
        network.set_weights([kernel, y_mean - x_mean @ kernel])
