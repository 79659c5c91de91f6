"""Predictions and scores of all parts, written a block of series at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.forecasts import PREDICTIONS, Forecasts, as_rows
from gristmill.domains.timeseries.scores.score_table import SCORES, read_scores, write_forecasts
from gristmill.scores import MODEL
from gristmill.util.table_io import read_table
from helpers.small_runs import assembled, scored

RANDOM = np.random.default_rng(0)
DATA = assembled(*(RANDOM.normal(size=(40, 2)) for _ in range(3)), history=4, horizon=2, validation=8, test=8)
LEVELS = (0.1, 0.5, 0.9)


def forecasts(part: str, quantiles: bool) -> Forecasts:
    """Return forecasts that are wrong at random; the test set has one forecaster more."""
    starts = DATA.origins(part)
    truth = DATA.targets(starts).astype(np.float64)
    names = (MODEL, "naive", *(["drift"] if part == "test" else []))
    made = {name: truth + RANDOM.normal(size=truth.shape) for name in names}
    learned = np.stack([made[MODEL] + shift for shift in (-1, 0, 1)], axis=-1) if quantiles else None
    return Forecasts(starts, truth, made, LEVELS if quantiles else (), learned)


def blocks(whole: Forecasts, size: int) -> Iterator[Forecasts]:
    """Yield the forecasts of so many series at a time."""
    owner = DATA.series_of(whole.starts)
    for series in range(0, 3, size):
        begin, end = np.searchsorted(owner, [series, series + size])
        yield whole.windows(slice(begin, end))


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("quantiles", [False, True])
def test_tables_in_blocks_are_those_of_whole_parts(size: int, quantiles: bool, tmp_path: Path) -> None:
    parts = {"validation": forecasts("validation", False), "test": forecasts("test", quantiles)}

    returned = write_forecasts(DATA, {part: blocks(made, size) for part, made in parts.items()}, tmp_path)

    rows = pd.concat([as_rows(DATA, made, part=part) for part, made in parts.items()], ignore_index=True)
    pd.testing.assert_frame_equal(read_table(tmp_path / PREDICTIONS), rows)
    keys = ["part", "by", "group", "forecaster"]
    expected = pd.concat([scored(DATA, part, made) for part, made in parts.items()])
    expected = expected.sort_values(keys, ignore_index=True)
    scores = read_table(tmp_path / SCORES).sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(scores, expected, rtol=1e-12)
    assert ("coverage" in scores) == quantiles
    shared = expected[expected["by"] != "series"].reset_index(drop=True)
    for found in (returned, read_scores(tmp_path)):
        pd.testing.assert_frame_equal(found.sort_values(keys, ignore_index=True), shared, rtol=1e-12)
