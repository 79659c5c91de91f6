"""Preprocess: split by time, fit the scale on the training part, lay out the windows."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries import dataset, known_features, materialize
from gristmill.domains.timeseries.dataset import PARTS, Bounds, Layout, Prepared, fit_scale, inside
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.domains.timeseries.split import split_all
from gristmill.errors import DataError, RequestError
from gristmill.settings.messages import format_number
from gristmill.util.table_io import read_document, read_table


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path) -> dict[str, int]:
    """Cut ingested series into parts and write them with their layout (`prepared.py`).

    With `materialize` the windows are written beside them as TFRecord shards (`materialize.py`).

    Raises:
        DataError: too short for the parts and windows asked for, or constant.
        RequestError: features of the calendar for numbered observations.
    """
    table, summary = read_table(ingest / "series.parquet"), read_document(ingest / "summary.json")
    channels = [*summary["targets"], *summary["inputs"]]
    lengths = table.groupby("unique_id", sort=False).size()
    bounds, parts = split_all(table["ds"], np.asarray(lengths, np.int64), preprocess)
    known = known_ahead(table, summary, preprocess)
    values = np.column_stack([table[channels].to_numpy(), shifted(known.to_numpy(), bounds, preprocess.horizon)])
    trained = inside(len(values), parts[:, 0])
    refuse_unusable(table.loc[trained, channels], summary["targets"])
    mean, deviation = fit_scale(values[trained], preprocess.scale)
    layout = Layout(
        targets=summary["targets"],
        inputs=summary["inputs"],
        known=list(known.columns),
        frequency=summary["frequency"],
        history=preprocess.history,
        horizon=preprocess.horizon,
        stride=preprocess.stride,
        scale=preprocess.scale,
        normalise=preprocess.normalise,
        residual=preprocess.residual,
        mean=mean,
        deviation=deviation,
    )
    made = Prepared(
        ids=lengths.index.tolist(),
        times=pd.Index(table["ds"]),
        values=values.astype(np.float32),
        filled=table["filled"].to_numpy(),
        bounds=bounds,
        parts=parts,
        layout=layout,
    )
    counts = {part: len(made.origins(part)) for part in PARTS}
    refuse_too_short(made, counts)
    dataset.write(made, out)
    shards = materialize.write(made, out / "windows") if preprocess.materialize else 0
    return {f"{part}_windows": count for part, count in counts.items()} | ({"shards": shards} if shards else {})


def known_ahead(
    table: pd.DataFrame, summary: dict[str, Any], settings: Preprocess, anchor: "pd.Timestamp | int | None" = None
) -> pd.DataFrame:
    """Return the columns that are known ahead: the file's own, parts of the calendar, harmonics.

    Args:
        table: ingested series.
        summary: what ingest tells of them.
        settings: which parts of the calendar, which harmonics.
        anchor: where harmonics are counted from; the first time of the table if not given.
    """
    times = pd.Index(table["ds"])
    made = known_features.features(times, settings, times.min() if anchor is None else anchor, summary["frequency"])
    known: pd.DataFrame = pd.concat([table[summary["known"]].set_axis(times), made], axis=1)
    if len(known.columns) and settings.history < settings.horizon:
        raise RequestError(
            f"preprocess.history is {settings.history}, shorter than preprocess.horizon, {settings.horizon}: "
            "what is known ahead would not reach all steps. Set a history at least as long as the horizon."
        )
    return known


def shifted(known: npt.NDArray[np.float64], bounds: Bounds, horizon: int) -> npt.NDArray[np.float64]:
    """Return columns in which each row holds what is known `horizon` steps later; a series' last row is repeated."""
    rows = np.arange(len(known)) + horizon
    last = np.repeat(bounds[:, 1] - 1, bounds[:, 1] - bounds[:, 0])
    return known[np.minimum(rows, last)]


def refuse_unusable(train: pd.DataFrame, targets: list[str]) -> None:
    """Refuse targets that are constant, or vary less than the float32 a network works in can tell apart."""
    for name in targets:
        values = train[name].to_numpy()
        if not len(values) or values.min() == values.max():
            raise DataError(
                f"all {len(values)} values of {name!r} in the training part are {format_number(values[0], 6)}: there "
                "is nothing to learn. Check the target column."
                if len(values)
                else "the training part is empty. Set smaller parts in the table 'preprocess'."
            )
        step, deviation = np.spacing(np.float32(np.abs(values).max())), values.std()
        if deviation < 1000 * step:
            raise DataError(
                f"the values of {name!r} vary by {format_number(deviation, 6)} around "
                f"{format_number(values.mean(), 6)}, where "
                f"32-bit numbers are {format_number(step, 6)} apart. Subtract a constant from the target column."
            )


def refuse_too_short(data: Prepared, counts: dict[str, int]) -> None:
    """Refuse parts that hold no window, and a training part that holds fewer than two."""
    layout = data.layout
    for part, count in counts.items():
        size = int(np.diff(data.part(part)).max())
        if count >= (2 if part == "train" else 1) or (part == "validation" and size == 0):
            continue
        if size < layout.horizon:
            raise DataError(
                f"the {part} part has {size} observations, fewer than the horizon of {layout.horizon}. "
                "Set a longer part or a shorter horizon in the table 'preprocess'."
            )
        raise DataError(
            f"the {part} part has {size} observations, too few for a window of history {layout.history} + horizon "
            f"{layout.horizon}. Shorten them, or the other parts, in the table 'preprocess'."
        )
