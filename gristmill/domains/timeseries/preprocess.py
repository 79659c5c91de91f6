"""Preprocess: split the series, fit the scale on the training set, and add known features."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data import dataset, grid
from gristmill.domains.timeseries.data.dataset import (
    PARTS,
    Layout,
    PartRange,
    Prepared,
    fit_scale,
    inside,
    parts_between,
)
from gristmill.domains.timeseries.data.split import min_before_block, min_past, split_all, split_each
from gristmill.domains.timeseries.patterns.seasonality import find_season
from gristmill.domains.timeseries.settings import Harmonics, Preprocess
from gristmill.errors import DataError, RequestError
from gristmill.settings.number_text import format_number
from gristmill.util.table_io import read_arrays, read_document, read_runs, read_table, write_table

_CATEGORIES = {"hour": ("hour", range(24)), "weekday": ("day_of_week", range(7)), "month": ("month", range(1, 13))}


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path) -> dict[str, int]:
    """Split ingested series and write them with their layout (`dataset.py`), and what is known after the first one.

    Raises:
        DataError: the series are too short for the configured parts and windows, or constant.
        RequestError: calendar features are configured for numbered observations.
    """
    # 1. Read the series.
    summary = read_document(ingest / "summary.json")
    table, ids, lengths = read_series(ingest, summary)
    if preprocess.horizon >= lengths.max():
        raise DataError(
            f"preprocess.horizon is {preprocess.horizon}, but the longest series has {lengths.max()} observations. "
            "Set a shorter horizon."
        )

    # 2. Split them, and add what is known ahead.
    known = known_ahead(table, summary, preprocess)
    known_names = list(known.columns)
    past = min_past(preprocess, bool(known_names))
    if preprocess.split == "per_series":
        bounds, parts = split_each(lengths, preprocess, past or preprocess.history)
    else:
        bounds, parts = split_all(table["ds"], lengths, preprocess)
    channels = table[[*summary["targets"], *summary["inputs"]]].to_numpy()
    values = np.column_stack([channels, shifted(known.to_numpy(), bounds, preprocess.horizon)])
    times, filled = pd.Index(table["ds"]), table["filled"].to_numpy()
    if not summary["known"]:  # values of known columns change after the end without changing the series
        write_table(out / dataset.AFTER_THE_END, after_the_end(times, bounds[0, 1], summary, preprocess))
    del table, known, channels  # values and times are enough

    # 3. Fit the scale and the season on the training set.
    trained = values[inside(len(values), parts[:, 0])]
    check_targets(trained, summary["targets"])
    mean, deviation = fit_scale(trained, preprocess.scale)
    del trained
    own = {name: summary[name] for name in ("targets", "inputs", "frequency")}
    own |= preprocess.model_dump(include={"history", "horizon", "stride", "scale", "normalise", "residual", "split"})
    layout = Layout(**own, known=known_names, mean=mean, deviation=deviation, past=past)
    prepared = Prepared(ids, times, values.astype(np.float32), filled, bounds, parts, layout)
    _, longest = prepared.longest_training_series()
    season = find_season(longest) if preprocess.season is None else preprocess.season
    prepared = replace(prepared, layout=replace(layout, season=season if season and season > 1 else None))
    if preprocess.split == "per_series" and preprocess.validation:
        prepared = with_room_for_validation(prepared)

    # 4. Check and write them; count the windows, and the series that are too short for a part of their own.
    windows = {part: len(prepared.origins(part)) for part in PARTS}
    check_lengths(prepared, windows)
    dataset.write(prepared, out)
    counts = {f"{part}_windows": count for part, count in windows.items()}
    if preprocess.split != "time":
        for part in ("test", "validation") if preprocess.validation else ("test",):
            if short := int((np.diff(prepared.part(part)) == 0).sum()):
                counts[f"series_without_{part}"] = short
    return counts


def read_series(ingest: Path, summary: dict[str, Any]) -> tuple[pd.DataFrame, list[str], npt.NDArray[np.int64]]:
    """Return all columns of ingested series but their ids, and the id and length of each series.

    As a column, the ids would take most of the memory.
    """
    path, columns = ingest / "series.parquet", [*summary["targets"], *summary["inputs"], *summary["known"]]
    arrays = {"ds": read_table(path, ["ds"])["ds"]} | read_arrays(path, [*columns, "filled"])
    return pd.DataFrame(arrays, copy=False), *read_runs(path, "unique_id")


def with_room_for_validation(data: Prepared) -> Prepared:
    """Remove each validation set with too few observations before it to compare models; return the series.

    Raises:
        DataError: no series has room for one.
    """
    minimum = min_before_block(data.layout.season)
    first, begin, end = data.bounds[:, 0], *data.part("validation").T
    short = (begin - first < minimum) | (begin == end)
    if short.all():
        raise DataError(
            f"no series has room for a validation set of at least preprocess.horizon, {data.layout.horizon}, and "
            f"{minimum} observations before it. Set another preprocess.validation, or 0."
        )
    return data.cut_at(parts_between(first, np.where(short, end, begin), end, data.bounds[:, 1]))


def known_ahead(
    table: pd.DataFrame, summary: dict[str, Any], settings: Preprocess, anchor: "pd.Timestamp | int | None" = None
) -> pd.DataFrame:
    """Return the known columns: those of the file, calendar parts and harmonics.

    Harmonics begin at `anchor`, or at the first time of the table if it is None.
    """
    times = pd.Index(table["ds"])
    features = time_features(times, settings, times.min() if anchor is None else anchor, summary["frequency"])
    known: pd.DataFrame = pd.concat([table[summary["known"]].set_axis(times), features], axis=1)
    return known


def after_the_end(times: pd.Index, end: int, summary: dict[str, Any], settings: Preprocess) -> pd.DataFrame:
    """Return the times of the horizon after the first series, which ends at a position, and their calendar features."""
    after = grid.after(times[end - 1], settings.horizon, summary["frequency"])
    features = time_features(after, settings, times.min(), summary["frequency"])
    return features.rename_axis("ds").reset_index()


def shifted(known: npt.NDArray[np.float64], bounds: PartRange, horizon: int) -> npt.NDArray[np.float64]:
    """Return each row with the known values `horizon` steps later; the last row of a series is repeated."""
    rows = np.arange(len(known)) + horizon
    last = np.repeat(bounds[:, 1] - 1, bounds[:, 1] - bounds[:, 0])
    return known[np.minimum(rows, last)]


def check_targets(train: npt.NDArray[np.float64], targets: list[str]) -> None:
    """Raise an error for targets, the first columns, that are constant, or vary too little for float32."""
    if not len(train):
        raise DataError("the training set is empty. Set smaller parts in the table 'preprocess'.")
    for name, values in zip(targets, train.T, strict=False):
        if values.min() == values.max():
            raise DataError(
                f"all {len(values)} values of {name!r} in the training set are {format_number(values[0], 6)}: there "
                "is nothing to learn. Check the target column."
            )
        step = np.spacing(np.float32(np.abs(values).max()))
        deviation = values.std()
        if deviation < 1000 * step:
            raise DataError(
                f"the values of {name!r} vary by {format_number(deviation, 6)} around "
                f"{format_number(values.mean(), 6)}, where 32-bit numbers are {format_number(step, 6)} apart. "
                "Subtract a constant from the target column."
            )


def check_lengths(data: Prepared, counts: dict[str, int]) -> None:
    """Raise an error for a part without windows, and for a training set of fewer than two windows."""
    layout = data.layout
    for part, count in counts.items():
        size = int(np.diff(data.part(part)).max())
        if count >= (2 if part == "train" else 1) or (part == "validation" and size == 0):
            continue
        if size < layout.horizon:
            raise DataError(
                f"the {part} set has {size} observations, fewer than the horizon of {layout.horizon}. "
                "Set a longer part or a shorter horizon in the table 'preprocess'."
            )
        raise DataError(
            f"the {part} set has {size} observations, too few for a window of history {layout.history} + horizon "
            f"{layout.horizon}. Shorten them, or the other parts, in the table 'preprocess'."
        )


def time_features(times: pd.Index, settings: Preprocess, anchor: "pd.Timestamp | int", frequency: str) -> pd.DataFrame:
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
