"""Format of logged predictions: a batch as a line of JSON, and batches as a frame."""

import json
import logging
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.monitoring.prediction_columns import ANSWERED, BATCH, INPUTS, RUN, VERSION

logger = logging.getLogger(__name__)


def _times(rows: pd.DataFrame) -> list[str]:
    """Return the names of the columns that hold times."""
    return [str(name) for name, kind in rows.dtypes.items() if kind.kind == "M"]


def as_line(batch: dict[str, Any], rows: pd.DataFrame) -> str:
    """Return a batch as one line of JSON: the columns about it, the names of columns that hold times, and its rows."""
    return json.dumps(batch | {"times": _times(rows), "rows": _as_json(rows)}, ensure_ascii=False) + "\n"


def _as_json(rows: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the columns of a frame as JSON values: times as text, missing values as None."""
    columns = {}
    for name, column in rows.items():
        values = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f") if column.dtype.kind == "M" else column
        columns[str(name)] = values.astype(object).where(column.notna(), None).tolist()
    return columns


def batch_frame(batches: list[dict[str, Any]], sizes: list[int], rows: pd.DataFrame) -> pd.DataFrame:
    """Return batches of so many rows each as a frame: first the columns about them, then those of the rows."""
    about = pd.DataFrame(batches, columns=[BATCH, ANSWERED, VERSION, RUN, INPUTS]).astype({VERSION: "Int64"})
    about[ANSWERED] = pd.to_datetime(about[ANSWERED], format="ISO8601", utc=True).dt.as_unit("us")
    owners = np.repeat(np.arange(len(batches)), sizes)
    rows = rows.assign(**{name: rows[name].dt.as_unit("us") for name in _times(rows)})
    return about.iloc[owners].reset_index(drop=True).join(rows)


def read_lines(path: Path) -> list[pd.DataFrame]:
    """Return the batches of a file, one frame for all with the same columns; nothing if it was rolled meanwhile.

    What follows the last line end was cut short.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    alike = defaultdict(list)
    for number, line in enumerate(lines, 1):
        try:
            batch = json.loads(line)
            columns = tuple(batch["rows"]), tuple(batch["times"])
        except (ValueError, KeyError, TypeError):
            logger.warning("%s line %d: not a batch of predictions; skipped", path, number)
            continue
        alike[columns].append(batch)
    return [_joined(batches, names, times) for (names, times), batches in alike.items()]


def _joined(batches: list[dict[str, Any]], names: tuple[str, ...], times: tuple[str, ...]) -> pd.DataFrame:
    rows = pd.DataFrame({name: list(chain.from_iterable(batch["rows"][name] for batch in batches)) for name in names})
    rows = rows.assign(**{name: pd.to_datetime(rows[name]) for name in times})
    return batch_frame(batches, [len(batch["rows"][names[0]]) for batch in batches], rows)
