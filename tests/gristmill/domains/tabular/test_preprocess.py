"""Rows are split as asked, and what is fitted is fitted on the training set alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.preprocess import preprocess, split
from gristmill.domains.tabular.settings import Preprocess
from gristmill.errors import DataError
from gristmill.util.table_io import write_document, write_table

TABLE = pd.DataFrame({"x": [1.0, 3, 8, 9], "town": ["b", "a", "b", "c"], "y": [2.0, 4, 12, 14]})
LAST = {"validation": 1, "test": 1, "split": "last"}


def prepare(folder: Path, table: pd.DataFrame = TABLE, **settings: Any) -> Prepared:
    """Return what preprocess makes of a table whose columns of text are categories, and whose last is the target."""
    write_table(folder / "table.parquet", table)
    *columns, target = table.columns
    numbers = [name for name in columns if table[name].dtype == np.float64]
    categories = [name for name in columns if name not in numbers]
    write_document(folder / "summary.json", {"target": target, "numbers": numbers, "categories": categories})
    out = folder / "out"
    out.mkdir()
    counts = preprocess(preprocess=Preprocess(**settings), ingest=folder, out=out)
    data = dataset.read(out)
    assert counts.pop("features") == data.layout.features
    assert counts == {f"{part}_rows": (data.parts == part).sum() for part in dataset.PARTS}
    return data


def test_the_last_rows_are_validation_and_then_test() -> None:
    parts = split(10, Preprocess(validation=0.2, test=3, split="last"))
    assert parts.tolist() == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3


@given(count=st.integers(4, 50), seed=st.integers(0, 9))
def test_a_random_split_has_the_same_sizes_and_its_seed(count: int, seed: int) -> None:
    settings = Preprocess(validation=1, test=0.01, seed=seed)
    parts = split(count, settings)
    assert sorted(parts) == ["test"] + ["train"] * (count - 2) + ["validation"]
    assert (split(count, settings) == parts).all()


def test_another_seed_draws_other_rows_anywhere_in_the_table() -> None:
    drawn = [np.flatnonzero(split(100, Preprocess(test=10, seed=seed)) == "test").tolist() for seed in (1, 2)]
    assert drawn[0] != drawn[1]
    assert drawn[0][0] < 50


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"has 3 rows, of which validation takes 1 and test 1: fewer than two are left"):
        split(3, Preprocess(validation=1, test=1))


def test_scale_and_names_are_those_of_the_training_part(tmp_path: Path) -> None:
    data = prepare(tmp_path, **LAST)

    assert data.layout.mean == {"x": 2, "y": 3}
    assert data.layout.deviation == {"x": 1, "y": 1}
    assert data.layout.categories == {"town": ["a", "b"]}
    assert data.layout.features == 1 + 2 + 1
    pd.testing.assert_frame_equal(data.table, TABLE, check_dtype=False)


def test_nothing_is_scaled_where_it_is_not_asked_for(tmp_path: Path) -> None:
    layout = prepare(tmp_path, **LAST, scale="none").layout
    assert (set(layout.mean.values()), set(layout.deviation.values())) == ({0}, {1})


def test_a_constant_column_is_shifted_and_not_blown_up(tmp_path: Path) -> None:
    layout = prepare(tmp_path, TABLE.assign(x=0.1), **LAST).layout
    assert layout.mean["x"] == pytest.approx(0.1)
    assert layout.deviation["x"] == 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.assign(y=[5.0, 5, 5, 6]), r"all 2 values of the target 'y' in the training set are 5"),
        (TABLE.assign(x=[1e9, 1e9 + 1, 0, 0]), r"column 'x' varies by 0\.5 around 1,000,000,000, .* 64 apart"),
    ],
)
def test_what_cannot_be_learned_is_refused(tmp_path: Path, table: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, table, **LAST)


def test_a_category_that_names_each_row_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [f"n{at}" for at in range(1100)], "y": np.arange(1100.0)})
    with pytest.raises(DataError, match=r"the category 'id' has 1,001 different names .*at most 1,000"):
        prepare(tmp_path, table, validation=0, test=99)
