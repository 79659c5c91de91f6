"""Error measures of point forecasts: truth and forecast (windows, horizon), in the series' own units; lower is better.

Source: Hyndman & Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting
22(4), 2006.
"""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def mae(truth: Values, forecast: Values) -> float:
    """Mean absolute error."""
    return float(np.abs(truth - forecast).mean())


def rmse(truth: Values, forecast: Values) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.square(truth - forecast).mean()))


def mape(truth: Values, forecast: Values) -> float | None:
    """Mean absolute percentage error, 0 to infinity, over the values that are not 0; None where all are."""
    counted = truth != 0
    return float(100 * np.abs((truth - forecast)[counted] / truth[counted]).mean()) if counted.any() else None


def mase(truth: Values, forecast: Values, past: Values) -> float | None:
    """Mean absolute error in units of the one-step naive one's over `past` (observations,); None where that is 0."""
    unit = np.abs(np.diff(past)).mean()
    return float(mae(truth, forecast) / unit) if unit > 0 else None


def skill(error: float, reference: float) -> float | None:
    """1 - error / reference: 0 as good as the reference, 1 perfect, negative worse; None for a perfect reference."""
    return 1 - error / reference if reference > 0 else None


def scores(truth: Values, forecast: Values, past: Values) -> dict[str, float | None]:
    """Return all measures by name."""
    return {
        "mae": mae(truth, forecast),
        "rmse": rmse(truth, forecast),
        "mape": mape(truth, forecast),
        "mase": mase(truth, forecast, past),
    }
