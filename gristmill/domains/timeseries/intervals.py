"""Prediction intervals: conformal, calibrated on forecasts of data the network was not fitted on.

The half width of an interval is a factor times the local scale of its window. The local scale is the mean absolute
difference between neighbouring values, or between values one season apart, over the last twelve differences. The lag
with the smaller scale on average is used, because a season is not uncertainty. The factors, one for each step of the
horizon and target, are empirical quantiles of the absolute residuals in these units. So intervals cover their level for
any model and distribution, if the calibration data resemble the future.

Source: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, "Distribution-Free Predictive Inference for Regression", JASA
113(523), 2018, section 5.2 (locally weighted).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DIFFERENCES = 12  # differences that give the local scale of a window
_MIN_SCALE_SHARE = 0.1  # smallest local scale, as a share of the mean over the calibration windows; for flat windows


@dataclass(frozen=True)
class Intervals:
    """Calibrated half widths."""

    level: float  # nominal coverage
    factors: Array  # (horizon, targets), in local scales
    least: Array  # (targets,), smallest local scale
    windows: int  # number of calibration windows
    lag: int = 1  # observations between the values of a difference in the local scale: 1, or a season

    def half_widths(self, histories: npt.NDArray[np.floating]) -> Array:
        """Return half the width of the intervals of each window, (windows, horizon, targets)."""
        scale = np.fmax(local_scale(histories, self.lag)[:, : len(self.least)], self.least)
        return np.asarray(scale[:, np.newaxis, :] * self.factors)

    def document(self) -> dict[str, object]:
        """Return the intervals as JSON values; `restored` reads them."""
        return asdict(self) | {
            "factors": self.factors.tolist(),
            "least": self.least.tolist(),
            "method": f"half width = factor x max(least, mean of the window's last {DIFFERENCES} |y[t] - y[t - lag]|)",
        }


def restored(document: dict[str, Any]) -> Intervals:
    """Return the intervals of a `document`."""
    arrays = {name: np.array(document[name], np.float64) for name in ("factors", "least")}
    return Intervals(level=document["level"], windows=document["windows"], lag=document["lag"], **arrays)


def calibrate(
    truth: Array, forecast: Array, histories: npt.NDArray[np.floating], level: float, season: int | None = None
) -> Intervals:
    """Return intervals that cover `level` of the calibration windows, corrected for their number.

    Truth and forecast are (windows, horizon, targets), of data the network was not fitted on; histories are the inputs,
    (windows, history, columns), targets first. With fewer than level / (1 - level) windows the largest residual is
    used. The season is only used if windows are longer.
    """
    targets = truth.shape[-1]
    lags = [1, season] if season and season < histories.shape[1] else [1]
    lag = min(lags, key=lambda lag: float(np.nanmean(local_scale(histories, lag)[:, :targets])))
    scale = local_scale(histories, lag)[:, :targets]  # (windows, targets)
    least = np.maximum(_MIN_SCALE_SHARE * np.nanmean(scale, axis=0), np.finfo(np.float32).tiny)
    scores = np.sort(np.abs(truth - forecast) / np.fmax(scale, least)[:, np.newaxis, :], axis=0)
    rank = min(len(scores), math.ceil((len(scores) + 1) * level))
    return Intervals(level, scores[rank - 1], least, len(scores), lag)


def local_scale(histories: npt.NDArray[np.floating], lag: int = 1) -> Array:
    """Return the mean of the last twelve absolute differences over `lag` observations, (windows, columns).

    It is NaN for a window without such a difference, because its series is shorter.
    """
    recent = histories[:, -DIFFERENCES - lag :].astype(np.float64)
    if recent.shape[1] <= lag:
        return np.ones((len(recent), recent.shape[2]))  # one value has no difference; all windows have the same scale
    steps = np.abs(recent[:, lag:] - recent[:, :-lag])
    count = np.isfinite(steps).sum(axis=1)
    return np.where(count, np.nansum(steps, axis=1) / np.maximum(count, 1), np.nan)
