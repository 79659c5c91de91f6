"""The encoding is fitted on the training set alone; columns that cannot be used are left out."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.preprocess import preprocess
from gristmill.domains.tabular.settings import Ingest, Preprocess
from gristmill.errors import DataError
from gristmill.sources.tables.csv import Csv
from gristmill.util.table_io import write_document, write_table

TABLE = pd.DataFrame({"x": [1.0, 3, 1, 3, 8, 9], "town": ["b", "a", "b", "a", "b", "c"], "y": [2.0, 4, 2, 4, 12, 14]})
LAST = {"validation": 1, "test": 1, "split": "last"}


def prepare(folder: Path, table: pd.DataFrame = TABLE, **settings: Any) -> Prepared:
    """Return what preprocess makes of a table whose columns of text are categories, and whose last is the target."""
    write_table(folder / "table.parquet", table)
    write_table(folder / "rows.parquet", pd.DataFrame({"row": [str(row + 2) for row in range(len(table))]}))
    *columns, target = table.columns
    numbers = [name for name in columns if table[name].dtype == np.float64]
    others = [name for name in columns if name not in numbers]
    dates, texts = ([name for name in others if name.startswith(prefix)] for prefix in ("day", "note"))
    categories = [name for name in others if name not in (*dates, *texts)]
    roles = {"numbers": numbers, "categories": categories, "dates": dates, "texts": texts}
    classes = [] if table[target].dtype == np.float64 else sorted(table[target].unique())
    write_document(folder / "summary.json", {"target": target, "classes": classes, "part": None, **roles})
    out = folder / "out"
    out.mkdir()
    counts = preprocess(preprocess=Preprocess(**settings), ingest=folder, out=out)
    data = dataset.read(out)
    assert counts.pop("features") == data.layout.features
    assert counts.pop("columns_left_out", 0) == len(data.layout.left_out)
    about_copies = [name for name in counts if "also_in" in name or "duplicates" in name or "by_chance" in name]
    for name in about_copies:  # test_copies.py
        counts.pop(name)
    assert counts == {f"{part}_rows": (data.parts == part).sum() for part in dataset.PARTS}
    return data


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


@pytest.mark.parametrize(
    "days", [[9.0, -1, 2, 3.5], ["2024-03-05", "2024-03-01", "2024-03-04T09:00", "2024-03-04 18:30"]]
)
def test_rows_are_put_into_the_order_of_time(tmp_path: Path, days: list[Any]) -> None:
    table = pd.DataFrame({"x": [0.0, 1, 2, 3], "time": days, "y": [0.0, 1, 2, 3]})
    data = prepare(tmp_path, table, **LAST, time="time")
    assert data.table["y"].tolist() == [1, 2, 3, 0]
    assert data.ids.tolist() == ["3", "4", "5", "2"]
    assert data.parts.tolist() == ["train", "train", "validation", "test"]
    assert data.layout.ordered


def test_rows_are_named_as_in_the_file(tmp_path: Path) -> None:
    lines = ["day,x,y", *(f"2024-03-{31 - day},{day % 4},{['', 'a', 'b'][day % 3]}" for day in range(21))]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    source, roles = Csv(kind="csv", path="rows.csv"), Ingest(target="y", numbers=("x",), metadata=("day",))
    ingest(
        source=source,
        ingest=roles.model_copy(update={"task": "classification"}),
        out=tmp_path,
        paths=(tmp_path / "rows.csv",),
    )
    (tmp_path / "out").mkdir()
    preprocess(preprocess=Preprocess(**LAST, time="day"), ingest=tmp_path, out=tmp_path / "out")
    data = dataset.read(tmp_path / "out")

    for row in data.labelled.index.itertuples():
        assert lines[int(row.id) - 1] == f"{row.day},{data.table['x'][row.Index]:.0f},{data.layout.classes[row.label]}"
    assert data.only(np.array([3, 1])).ids.tolist() == data.ids[[3, 1]].tolist()
    assert data.positions(pd.Series(data.ids[[5, 2]])).tolist() == [5, 2]


def test_empty_cells_have_a_median_and_a_mark(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1.0, np.nan, 2, 9, 5, 6], "z": [1.0, 2, 3, 4, np.nan, 5], "y": np.arange(6.0)})
    layout = prepare(tmp_path, table, **LAST).layout
    assert layout.median == {"x": 2, "z": 2.5}
    assert layout.missing == ["x"]  # z is empty in the validation set alone
    assert layout.mean["x"] == 4
    assert layout.features == 2 + 1


def test_rare_names_are_not_told_apart_and_empty_ones_are_a_name(tmp_path: Path) -> None:
    table = pd.DataFrame({"town": ["a", "a", "b", "", "", "c", "a", "a"], "y": np.arange(8.0)})
    assert prepare(tmp_path, table, **LAST).layout.categories == {"town": ["", "a"]}


def test_only_the_most_frequent_of_very_many_names_are_encoded(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(1100) for _ in range(2)] + ["most"] * 4
    table = pd.DataFrame({"town": names, "y": np.arange(len(names), dtype=float)})
    known = prepare(tmp_path, table, validation=0, test=1, split="last").layout.categories["town"]
    assert len(known) == 1000
    assert "most" in known


def test_dates_are_numbers_and_texts_are_words(tmp_path: Path) -> None:
    days = ["2024-03-01", "", "2024-03-04T16:30", "2024-03-04", "2024-03-01", "2024-03-01"] * 5
    notes = ["Good old", "good", "", "old", "", ""] * 5
    table = pd.DataFrame({"day": days, "note": notes, "y": np.arange(30.0)})
    layout = prepare(tmp_path, table, validation=0, test=6, split="last").layout
    assert layout.median["day (month)"] == 3
    assert layout.missing == [f"day ({part})" for part in ("year", "month", "weekday", "hour", "day")]
    assert layout.texts == {"note": ["old", "good"]}
    assert layout.features == 5 + 5 + 3


def test_columns_of_which_nothing_can_be_learned_are_left_out(tmp_path: Path) -> None:
    useless: dict[str, Any] = {
        "stamp": TABLE["x"] * 1000 + 1.7e9,
        "one": 0.1,
        "empty": np.nan,
        "none": "",
        "id": ["a", "b", "c", "d", "e", "f"],
    }
    useless["note"] = ["!!!", "???", "", "- _", "…", "word"]
    layout = prepare(tmp_path, TABLE.assign(**useless)[[*useless, *TABLE]], **LAST).layout
    assert layout.columns == ["x", "town"]
    assert layout.left_out == {
        "stamp": "varies by 1,000 around 1,700,002,000, where 32-bit numbers are 128 apart",
        "one": "has the same value in all training rows",
        "empty": "is empty",
        "none": "is empty",
        "id": "has a different value in each training row",
        "note": "has no words",
    }


def test_a_table_without_a_usable_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no column to predict 'y' from: 'x' has the same value in all training rows\."
    ):
        prepare(tmp_path, TABLE.assign(x=1.0)[["x", "y"]], **LAST)


@pytest.mark.parametrize("named", ["numbers", "target"])
def test_a_column_named_like_a_part_of_a_date_is_refused(tmp_path: Path, named: str) -> None:
    table = pd.DataFrame({"day": ["2024-03-01", "2024-03-02"] * 3, "x": TABLE["x"], "y": TABLE["y"]})
    table = table.rename(columns={"x" if named == "numbers" else "y": "day (year)"})
    with pytest.raises(DataError, match=r"column 'day \(year\)' is named like a part of the date 'day'\. Rename one"):
        prepare(tmp_path, table, **LAST)


@pytest.mark.parametrize(
    ("name", "copy", "target"),
    [
        ("x", [2.0, 4, 2, 4, 12, 14], [2.0, 4, 2, 4, 12, 14]),
        ("x", [1.0, 0, np.nan, 0, 1, 1], ["1", "0", "1", "0", "1", "0"]),  # codes of classes
        ("town", ["2", "4", "2", "4", "12", "14"], [2.0, 4, 2, 4, 12, 14]),
        ("day", ["2024-03-01", "2024-03-02"] * 3, ["2024-03-01", "2024-03-02"] * 3),
        ("note", ["a", "b", "a", "", "b", "a"], ["a", "b"] * 3),
    ],
)
def test_a_column_that_holds_the_target_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, copy: list[Any], target: list[Any]
) -> None:
    table = pd.DataFrame({"other": TABLE["x"], name: copy, "y": target})
    prepare(tmp_path, table.assign(few=[*target[:1], *[type(target[0])()] * 5])[["few", *table]], **LAST)
    assert caplog.messages == [
        f"the target 'y' equals {name!r} in all training rows in which it is not empty. Leave {name!r} out of ingest "
        "unless known before the target"
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.assign(y=[5.0, 5, 5, 5, 5, 6]), r"all 4 values of the target 'y' in the training set are 5"),
        (
            TABLE.assign(y=[1e9, 1e9 + 1, 1e9, 1e9 + 1, 0, 0]),
            r"the target 'y' varies by 0\.5 around 1,000,000,000, .* 64 apart\. .* set another ingest\.target",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused(tmp_path: Path, table: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, table, **LAST)


@pytest.mark.slow
def test_the_first_stage_that_needs_tensorflow_loads_it_without_its_log() -> None:
    """With a Prefect server running, no earlier step of the process has loaded it."""
    code = (
        "import pandas as pd; from gristmill.domains.tabular.preprocess import frequent_words; "
        "print(frequent_words(pd.Series(['good film', 'good'] * 10, dtype=object)))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("['good', 'film']\n", "")
