"""What is known of any time, past or future: parts of the calendar and waves of a period."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries import grid
from gristmill.domains.timeseries.settings import Harmonics, Preprocess
from gristmill.errors import RequestError

_CATEGORIES = {"hour": ("hour", range(24)), "weekday": ("day_of_week", range(7)), "month": ("month", range(1, 13))}


def features(times: pd.Index, settings: Preprocess, anchor: "pd.Timestamp | int", frequency: str) -> pd.DataFrame:
    """Return the columns that the settings ask for, one row a time.

    Calendar parts are 0 or 1 (`weekday 0` is Monday); harmonics are `sin` and `cos` waves, counted from the start of
    the calendar's period or, for a period in observations, from `anchor`.

    Args:
        times: of the rows.
        settings: `calendar` and `harmonics`.
        anchor: the first time of the data the pipeline was fitted on.
        frequency: of the observations.

    Raises:
        RequestError: calendar features of numbered observations.
    """
    asked = [*settings.calendar, *(wave.period for wave in settings.harmonics if isinstance(wave.period, str))]
    if asked and not isinstance(times, pd.DatetimeIndex):
        raise RequestError(
            f"preprocess asks for features of the calendar ({asked[0]!r}), but the observations are numbered. "
            "Give harmonics a period in observations, or take a column of dates as ingest.time."
        )
    columns = dict(_calendar(times, settings))
    for wave in settings.harmonics:
        columns |= dict(_waves(_phase(times, wave, anchor, frequency), wave))
    return pd.DataFrame(columns, index=times)


def _calendar(times: pd.Index, settings: Preprocess) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    for part in settings.calendar:
        if part == "weekend":
            yield part, (pd.DatetimeIndex(times).day_of_week >= 5).astype(float)
        else:
            attribute, categories = _CATEGORIES[part]
            values = np.asarray(getattr(times, attribute))
            yield from ((f"{part} {value}", (values == value).astype(float)) for value in categories)


def _waves(phase: npt.NDArray[np.float64], wave: Harmonics) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    for pair in range(1, wave.pairs + 1):
        yield f"{wave.period} sin {pair}", np.sin(2 * np.pi * pair * phase)
        yield f"{wave.period} cos {pair}", np.cos(2 * np.pi * pair * phase)


def _phase(times: pd.Index, wave: Harmonics, anchor: "pd.Timestamp | int", frequency: str) -> npt.NDArray[np.float64]:
    """Return where in its period each time lies, from 0 to 1."""
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
