"""Metrics of truth and forecast, (windows, horizon), in the units of the series; lower is better.

Sources: Hyndman & Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting 22(4),
2006 (MAPE, sMAPE, MASE); Makridakis, Spiliotis & Assimakopoulos, "The M4 Competition", ibid. 36(1), 2020 (MASE in
units of a seasonal naive forecast) and "M5 accuracy competition", ibid. 38(4), 2022 (RMSSE); Koenker & Bassett,
"Regression quantiles", Econometrica 46(1), 1978 (pinball loss).
"""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def mae(truth: Values, forecast: Values) -> float:
    """Mean absolute error."""
    return float(np.abs(truth - forecast).mean())


def mse(truth: Values, forecast: Values) -> float:
    """Mean squared error, in squared units."""
    return float(np.square(truth - forecast).mean())


def rmse(truth: Values, forecast: Values) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(truth, forecast)))


def mape(truth: Values, forecast: Values) -> float | None:
    """Mean absolute percentage error, 0 to infinity, over the values that are not 0; None if all are 0."""
    counted = truth != 0
    return float(100 * np.abs((truth - forecast)[counted] / truth[counted]).mean()) if counted.any() else None


def smape(truth: Values, forecast: Values) -> float:
    """Symmetric percentage error, 0 to 200: the error in percent of the mean of both sizes; 0 if both are 0."""
    error, size = np.abs(truth - forecast), np.abs(truth) + np.abs(forecast)
    return float(200 * np.divide(error, size, out=np.zeros_like(error), where=size > 0).mean())


def pinball(truth: Values, forecast: Values, quantile: float) -> float:
    """Mean pinball loss of a quantile: errors weigh `quantile` above the forecast, 1 - `quantile` below.

    For the median it is half the mean absolute error.
    """
    error = truth - forecast
    return float(np.maximum(quantile * error, (quantile - 1) * error).mean())


def coverage(truth: Values, low: Values, high: Values) -> float:
    """Share of the truth within an interval, bounds included; best near the nominal level."""
    return float(((low <= truth) & (truth <= high)).mean())


def width(low: Values, high: Values) -> float:
    """Mean width of an interval; at equal coverage, narrower is better."""
    return float((high - low).mean())


def skill(error: float, reference: float) -> float | None:
    """1 - error / reference: 0 as good as the reference, 1 perfect, below 0 worse; None for a perfect reference."""
    return 1 - error / reference if reference > 0 else None
