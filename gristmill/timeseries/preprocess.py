"""Preprocess: split by time, fit the scale on the training part, lay out the windows."""

from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.errors import DataError
from gristmill.tables import read_document, read_table
from gristmill.timeseries import prepared
from gristmill.timeseries.prepared import Layout, Prepared
from gristmill.timeseries.settings import Preprocess


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path) -> dict[str, int]:
    """Cut an ingested series into parts and write it with its layout (`prepared.py`).

    Raises:
        DataError: too short for the parts and windows asked for, or constant.
    """
    series = read_table(ingest / "series.parquet")
    summary = read_document(ingest / "summary.json")
    values = series["y"].to_numpy(np.float32)
    parts = split(len(values), preprocess.validation, preprocess.test)
    _refuse_coarse(series["y"].to_numpy()[slice(*parts["train"])])
    mean, deviation = fit_scale(values[slice(*parts["train"])], preprocess.scale)
    layout = Layout(
        target=summary["target"],
        frequency=summary["frequency"],
        history=preprocess.history,
        horizon=preprocess.horizon,
        stride=preprocess.stride,
        parts=parts,
        mean=mean,
        deviation=deviation,
    )
    made = Prepared(pd.DatetimeIndex(series["ds"]), values, layout)
    counts = {part: len(made.origins(part)) for part in parts}
    for part, (begin, end) in parts.items():
        if (end > begin and not counts[part]) or (part == "train" and counts[part] < 2):
            raise DataError(
                f"the {part} part has {end - begin} of the series' {len(values)} observations, too few for a window of "
                f"history {layout.history} + horizon {layout.horizon}. "
                "Shorten them, or the other parts, in the table 'preprocess'."
            )
    prepared.write(made, out)
    return {f"{part}_windows": count for part, count in counts.items()}


def split(length: int, validation: float, test: float) -> dict[str, tuple[int, int]]:
    """Return the positions of train, validation and test, in this order.

    A size below 1 is a share of the series; from 1 on it is a number of observations.

        >>> split(100, validation=0.2, test=10)
        {'train': (0, 70), 'validation': (70, 90), 'test': (90, 100)}
    """
    sizes = [max(1, round(size * length)) if 0 < size < 1 else int(size) for size in (validation, test)]
    ends = (length - sum(sizes), length - sizes[1], length)
    if ends[0] < 1:
        raise DataError(
            f"the series has {length} observations, but validation takes {sizes[0]} and test {sizes[1]}. "
            "Give it more rows, or set smaller parts in the table 'preprocess'."
        )
    return {"train": (0, ends[0]), "validation": (ends[0], ends[1]), "test": (ends[1], ends[2])}


def fit_scale(train: np.ndarray, scale: str) -> tuple[float, float]:
    """Return mean and deviation of the training part, or 0 and 1 for no scaling."""
    if train.min() == train.max():
        raise DataError(
            f"all {len(train)} values of the training part are {train[0]:g}: there is nothing to learn. "
            "Check the target column."
        )
    return (
        (float(train.mean(dtype=np.float64)), float(train.std(dtype=np.float64))) if scale == "standard" else (0.0, 1.0)
    )


def _refuse_coarse(values: np.ndarray) -> None:
    """Refuse values that vary less than the float32 a network works in can tell apart."""
    step, deviation = np.spacing(np.float32(np.abs(values).max())), values.std()
    if 0 < deviation < 1000 * step:
        raise DataError(
            f"the values vary by {deviation:g} around {values.mean():g}, where 32-bit numbers are {step:g} apart. "
            "Subtract a constant from the target column."
        )
