"""Tables of all forecasts and their scores, written a block of series at a time."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import pandas as pd

from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import PREDICTIONS, Forecasts, as_rows, prediction_columns
from gristmill.domains.timeseries.score_table import PartScores, columns_of
from gristmill.util.table_io import read_table, table_writer

SCORES = "scores.parquet"


def write_forecasts(data: Prepared, parts: Mapping[str, Iterator[Forecasts]], out: Path) -> pd.DataFrame:
    """Write `predictions.parquet` and `scores.parquet` from blocks of whole series of each part.

    What a part does not have is NaN there. Returns the scores without those of single series.
    """
    first = {part: next(blocks) for part, blocks in parts.items()}
    columns = prediction_columns(data, first.values())
    metrics = columns_of(has_quantiles=any(own.levels for own in first.values()))
    whole = []
    with table_writer(out / PREDICTIONS) as write_rows, table_writer(out / SCORES) as write_scores:
        for part, blocks in parts.items():
            scores = PartScores(data, part)
            for block in chain([first.pop(part)], blocks):
                for some in block.blocks():
                    write_rows(as_rows(data, some, part=part).reindex(columns=columns))
                if (by_series := scores.add(block)) is not None:
                    write_scores(by_series.reindex(columns=metrics))
            whole.append(scores.table().reindex(columns=metrics))
            write_scores(whole[-1])
    return pd.concat(whole)


def read_scores(folder: Path) -> pd.DataFrame:
    """Read the scores from the folder of `evaluate`, without those of single series."""
    return read_table(folder / SCORES, by=("all", "step", "channel"))
