"""Prediction intervals: conformal, calibrated on forecasts of data the network was not fitted on.

The half width of an interval is a factor times the local scale of its window, the mean absolute step among the last
twelve, or among the last twelve from one season to the next, whichever is smaller on average: where a series has been
rough, its forecasts are less sure, and a season as such is not roughness. The factors, one for each step of the horizon
and target, are the empirical quantiles of absolute residuals in those units, so that the interval covers its level
whatever the model and the distribution, as long as the calibration data resemble what is to come.

Source: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, "Distribution-Free Predictive Inference for Regression", JASA
113(523), 2018, section 5.2 (locally weighted).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

RECENT = 12  # steps of a window that tell its local scale
_LEAST = 0.1  # of the mean local scale of the calibration windows: the least that a flat window counts for


@dataclass(frozen=True)
class Intervals:
    """Calibrated half widths."""

    level: float  # nominal coverage
    factors: Array  # (horizon, targets), in local scales
    least: Array  # (targets,): the least local scale
    windows: int  # calibrated on
    lag: int = 1  # observations in a step of the local scale: one, or a season

    def half_widths(self, histories: npt.NDArray[np.floating]) -> Array:
        """Return half the width of each window's intervals: (windows, horizon, targets)."""
        scale = np.maximum(local_scale(histories, self.lag)[:, : len(self.least)], self.least)
        half: Array = scale[:, np.newaxis, :] * self.factors
        return half

    def document(self) -> dict[str, object]:
        """Return the intervals as JSON values; `restored` reads them."""
        return {
            "level": self.level,
            "factors": self.factors.tolist(),
            "least": self.least.tolist(),
            "windows": self.windows,
            "lag": self.lag,
            "method": f"half width = factor x max(least, mean of the window's last {RECENT} |y[t] - y[t - lag]|)",
        }


def restored(document: dict[str, object]) -> Intervals:
    """Return intervals from what `document` gave."""
    return Intervals(
        level=float(str(document["level"])),
        factors=np.array(document["factors"], np.float64),
        least=np.array(document["least"], np.float64),
        windows=int(str(document["windows"])),
        lag=int(str(document["lag"])),
    )


def calibrate(
    truth: Array, forecast: Array, histories: npt.NDArray[np.floating], level: float, season: int | None = None
) -> Intervals:
    """Return intervals whose factors cover `level` of the calibration windows, corrected for their number.

    Args:
        truth: (windows, horizon, targets), of data the network was not fitted on.
        forecast: of the same shape.
        histories: what the windows saw, (windows, history, columns), targets first.
        level: nominal coverage; with fewer than level / (1 - level) windows the largest residual is taken.
        season: in observations, if there is one; windows no longer than it cannot tell how it changes.
    """
    targets = truth.shape[-1]
    lags = [1, season] if season and season < histories.shape[1] else [1]
    lag = min(lags, key=lambda lag: float(local_scale(histories, lag)[:, :targets].mean()))
    scale = local_scale(histories, lag)[:, :targets]  # (windows, targets)
    least = np.maximum(_LEAST * scale.mean(axis=0), np.finfo(np.float32).tiny)
    scores = np.sort(np.abs(truth - forecast) / np.maximum(scale, least)[:, np.newaxis, :], axis=0)
    rank = min(len(scores), math.ceil((len(scores) + 1) * level))
    return Intervals(level, scores[rank - 1], least, len(scores), lag)


def local_scale(histories: npt.NDArray[np.floating], lag: int = 1) -> Array:
    """Return the mean absolute step over `lag` observations among each window's last twelve: (windows, columns)."""
    recent = histories[:, -RECENT - lag :].astype(np.float64)
    if recent.shape[1] <= lag:
        return np.ones((len(recent), recent.shape[2]))  # one value has no step: all windows count alike
    steps: Array = np.abs(recent[:, lag:] - recent[:, :-lag]).mean(axis=1)
    return steps
