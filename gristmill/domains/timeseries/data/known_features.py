"""Features known for any time, past or future: calendar parts and harmonics."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data import grid
from gristmill.domains.timeseries.settings import Harmonics, Preprocess
from gristmill.errors import RequestError

_CATEGORIES = {"hour": ("hour", range(24)), "weekday": ("day_of_week", range(7)), "month": ("month", range(1, 13))}


def features(times: pd.Index, settings: Preprocess, anchor: "pd.Timestamp | int", frequency: str) -> pd.DataFrame:
    """Return the configured features, one row for each time.

    Calendar parts are 0 or 1 (`weekday 0` is Monday). Harmonics are `sin` and `cos` waves from the start of the
    calendar period or, for a period in observations, from `anchor`, the first time of the data that the pipeline was
    fitted on.

    Raises:
        RequestError: calendar features are configured for numbered observations.
    """
    calendar = [*settings.calendar, *(wave.period for wave in settings.harmonics if isinstance(wave.period, str))]
    if calendar and not isinstance(times, pd.DatetimeIndex):
        raise RequestError(
            f"preprocess has calendar features ({calendar[0]!r}), but the observations are numbered. "
            "Set the period of harmonics in observations, or use a column of dates as ingest.time."
        )
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for part in settings.calendar:
        if part == "weekend":
            columns[part] = (pd.DatetimeIndex(times).day_of_week >= 5).astype(float)
        else:
            attribute, categories = _CATEGORIES[part]
            values = np.asarray(getattr(times, attribute))
            columns |= {f"{part} {value}": (values == value).astype(float) for value in categories}
    for wave in settings.harmonics:
        phase = _phase(times, wave, anchor, frequency)
        for pair in range(1, wave.pairs + 1):
            angle = 2 * np.pi * pair * phase
            columns |= {f"{wave.period} sin {pair}": np.sin(angle), f"{wave.period} cos {pair}": np.cos(angle)}
    return pd.DataFrame(columns, index=times)


def _phase(times: pd.Index, wave: Harmonics, anchor: "pd.Timestamp | int", frequency: str) -> npt.NDArray[np.float64]:
    """Return the position of each time within its period, from 0 to 1."""
    if not isinstance(wave.period, str):
        return np.asarray(np.mod(grid.positions(times, anchor, frequency) / wave.period, 1.0))
    times = pd.DatetimeIndex(times)
    day = np.asarray((times - times.normalize()) / pd.Timedelta(days=1), np.float64)
    match wave.period:
        case "day":
            return day
        case "week":
            return np.asarray((times.day_of_week + day) / 7)
        case "year":
            return np.asarray((times.day_of_year - 1 + day) / np.where(times.is_leap_year, 366, 365))
