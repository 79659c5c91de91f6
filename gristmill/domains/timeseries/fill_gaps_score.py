"""How well holes are filled: values that are known are hidden, filled and compared."""

from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.fill_gaps import FILLERS

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SHARE = 0.05  # of the values are hidden
MOST = 10_000  # values hidden in all
SERIES = 100  # looked at, spread evenly
LONGEST = 5  # observations hidden in a row where there are no real holes to imitate
_TRIES = 20  # places tried for each hole, of which some are too close to another


def score(values: Values, series: Integers) -> dict[str, Any] | None:
    """Return the mean absolute error of each way to fill holes, on artificial ones; None where none can be made.

    About 5 % of the known values are hidden in runs as long as the real ones, at places drawn from a fixed seed; at
    most 10,000, in at most 100 series. A run stands between values that are known and touches no other.

    Args:
        values: (points,) of one column on the grids of all series, NaN for holes.
        series: (points,) number of each point's series.

    Returns:
        `hidden`, the number of values, and `mae`, way to fill to error in units of the column.
    """
    chosen = _some_series(series)
    values, series = values[chosen], series[chosen]
    hidden = _hidden(values, _lengths(values, series), series)
    if not hidden.any():
        return None
    open_ = np.where(hidden, np.nan, values)
    errors = {name: np.abs(fill(open_, series) - values)[hidden] for name, fill in FILLERS.items()}
    return {"hidden": int(hidden.sum()), "mae": {name: float(error.mean()) for name, error in errors.items()}}


def _some_series(series: Integers) -> npt.NDArray[np.bool_]:
    numbers = np.unique(series)
    even = np.unique(np.linspace(0, len(numbers) - 1, min(SERIES, len(numbers))).astype(np.int64))
    return np.isin(series, numbers[even])


def _lengths(values: Values, series: Integers) -> Integers:
    """Return the lengths of the real holes, or of one to five observations."""
    holes = np.isnan(values)
    edges = np.flatnonzero(np.diff(holes, prepend=~holes[:1]) | np.append(True, np.diff(series) != 0))
    runs = np.diff(edges, append=len(values))[holes[edges]]
    return runs if len(runs) else np.arange(1, LONGEST + 1)


def _hidden(values: Values, lengths: Integers, series: Integers) -> npt.NDArray[np.bool_]:
    """Return which values to hide."""
    rng = np.random.default_rng(0)
    known = ~np.isnan(values)
    wanted = min(MOST, max(1, round(SHARE * known.sum())))
    hidden = np.zeros(len(values), bool)
    for _ in range(_TRIES * wanted):
        if wanted <= 0:
            break
        length = int(rng.choice(lengths))
        start = int(rng.integers(0, len(values)))
        around = slice(start, start + length + 2)  # with the known value on either side
        if len(values[around]) == length + 2 and known[around].all() and series[start] == series[start + length + 1]:
            hidden[start + 1 : start + length + 1] = True
            known[start + 1 : start + length + 1] = False
            wanted -= length
    return hidden
