"""Losses of single values, of the shape of truth and forecast; lower is better. A metric is the mean of a loss.

Sources: Hyndman & Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting 22(4),
2006 (MAPE, sMAPE, MASE); Makridakis, Spiliotis & Assimakopoulos, "The M4 Competition", ibid. 36(1), 2020 (MASE in
units of a seasonal naive forecast) and "M5 accuracy competition", ibid. 38(4), 2022 (RMSSE); Koenker & Bassett,
"Regression quantiles", Econometrica 46(1), 1978 (pinball loss).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def absolute_error(truth: Values, forecast: Values) -> Values:
    """Return the absolute errors, in the units of the series; their mean is the MAE."""
    return np.abs(truth - forecast)


def squared_error(truth: Values, forecast: Values) -> Values:
    """Return the squared errors; their mean is the MSE, and the root of it the RMSE."""
    return np.square(truth - forecast)


def percentage_error(truth: Values, forecast: Values) -> Values:
    """Return the absolute errors in percent of the truth, 0 to infinity; 0 where the truth is 0.

    Their mean over the values that are not 0 is the MAPE.
    """
    error, size = np.abs(truth - forecast), np.abs(truth)
    return np.asarray(np.divide(100 * error, size, out=np.zeros_like(error), where=size > 0))


def symmetric_error(truth: Values, forecast: Values) -> Values:
    """Return the errors in percent of the mean of both sizes, 0 to 200; 0 if both are 0. Their mean is the sMAPE."""
    error, size = np.abs(truth - forecast), np.abs(truth) + np.abs(forecast)
    return np.asarray(np.divide(200 * error, size, out=np.zeros_like(error), where=size > 0))


def pinball_loss(truth: Values, forecast: Values, quantile: float) -> Values:
    """Return the pinball loss of a quantile: errors weigh `quantile` above the forecast, 1 - `quantile` below.

    For the median it is half the absolute error.
    """
    error = truth - forecast
    return np.asarray(np.maximum(quantile * error, (quantile - 1) * error))


def mean_pinball_loss(truth: Values, quantiles: Values, levels: Sequence[float]) -> Values:
    """Return the mean over levels of the pinball losses of quantiles, (…, levels)."""
    total = np.zeros_like(truth)
    for at, level in enumerate(levels):
        total += pinball_loss(truth, quantiles[..., at], level)
    return total / len(levels)


def covered(truth: Values, low: Values, high: Values) -> Values:
    """Return 1 for values within an interval, bounds included, and 0 for others; their mean is the coverage."""
    return ((low <= truth) & (truth <= high)).astype(np.float64)


def skill(error: Values, reference: Values) -> Values:
    """Return 1 - error / reference: 0 as good as the reference, 1 perfect, below 0 worse.

    It is NaN for a perfect reference.
    """
    share = np.divide(error, reference, out=np.full_like(reference, np.nan), where=reference > 0)
    return np.asarray(1 - share)


def wql(pinball: Values, size: Values) -> Values:
    """Return the weighted quantile loss: twice the mean pinball loss, in units of the mean absolute truth.

    It is NaN if all values are 0. Source: Salinas et al., "DeepAR", International Journal of Forecasting 36(3), 2020.
    """
    return np.asarray(np.divide(2 * pinball, size, out=np.full_like(size, np.nan), where=size > 0))
