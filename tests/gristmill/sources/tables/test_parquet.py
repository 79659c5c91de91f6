"""What Parquet files give, and the one line that says what is wrong with them."""

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.errors import DataError
from gristmill.sources.rows import Rows
from gristmill.sources.tables.parquet import Parquet

DAYS = [datetime.datetime(2020, 1, day) for day in (1, 2, 3)]


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def read(*paths: Path, texts: list[str] | None = None, numbers: list[str] | None = None) -> Rows:
    """Read columns t (text) and y (numbers)."""
    return Parquet(kind="parquet", path="*.parquet").read(paths, ["t"] if texts is None else texts, numbers or ["y"])


def refusal(*paths: Path, **columns: list[str]) -> str:
    """The message of the refusal, which is one line."""
    with pytest.raises(DataError) as raised:
        read(*paths, **columns)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


def test_only_the_wanted_columns_are_there_and_rows_count_from_1(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "a.parquet", y=[1.0, 2.5], other=["x", "y"], t=["a", "b"]))
    assert rows.frame.columns.tolist() == ["t", "y"]
    assert (rows.frame["t"].tolist(), rows.frame["y"].tolist()) == (["a", "b"], [1, 2.5])
    assert [rows.where(at) for at in (0, 1)] == [f"{tmp_path}/a.parquet row {row}" for row in (1, 2)]


def test_marks_are_empty_cells_in_columns_of_text_that_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", t=["NA", "b"], day=DAYS[:2], y=[1.0, None])
    source = Parquet(kind="parquet", path="a.parquet", missing=["NA"], missing_in=["t", "day", "y"])

    frame = source.read([path], ["t", "day"], ["y"]).frame

    assert frame["t"].fillna("").tolist() == ["", "b"]
    assert frame["day"].tolist() == DAYS[:2]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None, 3], pa.int8()),
        pa.array([1, None, 3], pa.uint64()),
        pa.array([1.0, None, 3.0], pa.float32()),
        pa.array([1.0, float("nan"), 3.0]),
        pa.array([decimal.Decimal("1.00"), None, decimal.Decimal("3.00")]),
        pa.array([1, None, 3]).dictionary_encode(),
    ],
    ids=str,
)
def test_numbers_of_any_type_are_float64_and_missing_ones_nan(tmp_path: Path, column: Any) -> None:
    found = read(write(tmp_path / "a.parquet", t=["a", "b", "c"], y=column)).frame["y"]
    assert found.dtype == np.float64
    assert found.isna().tolist() == [False, True, False]
    assert found.dropna().tolist() == [1, 3]


def test_booleans_are_0_and_1_and_a_column_of_nothing_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", t=["a", "b"], y=[True, False], z=pa.nulls(2))
    frame = read(path, numbers=["y", "z"]).frame
    assert frame["y"].tolist() == [1, 0]
    assert frame["z"].isna().all()
    assert frame["z"].dtype == np.float64


def test_booleans_as_text_are_true_and_false(tmp_path: Path) -> None:
    for column in (pa.array([True, False, None]), pa.array([True, False, None]).dictionary_encode()):
        frame = read(write(tmp_path / "a.parquet", t=column, y=[1, 2, 3])).frame
        assert frame["t"].dropna().tolist() == ["true", "false"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["a", "b", None]), ["a", "b"]),
        (pa.array(["a", "b", None], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b", None]).dictionary_encode(), ["a", "b"]),
        (pa.array([7, 8, 9]), [7, 8, 9]),
        (pa.array([7.0, float("nan"), -0.1]), ["7", "-0.1"]),
        (pa.array([7.0, None, 0.1], pa.float32()), ["7", "0.1"]),
        (pa.array([decimal.Decimal("7.00"), None, decimal.Decimal("0.10")]), ["7", "0.1"]),
    ],
    ids=str,
)
def test_text_and_whole_numbers_are_taken_as_they_stand(tmp_path: Path, column: Any, expected: list[Any]) -> None:
    assert read(write(tmp_path / "a.parquet", t=column, y=[1, 2, 3])).frame["t"].dropna().tolist() == expected


@pytest.mark.parametrize(
    "column",
    [pa.array(DAYS, pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")] + [pa.array([day.date() for day in DAYS])],
    ids=str,
)
def test_times_and_dates_are_timestamps(tmp_path: Path, column: Any) -> None:
    found = read(write(tmp_path / "a.parquet", t=column, y=[1, 2, 3])).frame["t"]
    assert found.dtype.kind == "M"
    assert [time.to_pydatetime() for time in found] == DAYS


def test_times_with_a_zone_are_the_same_points_in_time_in_utc(tmp_path: Path) -> None:
    column = pa.array(DAYS, pa.timestamp("us", "Europe/Berlin"))  # instants, counted in UTC
    found = read(write(tmp_path / "a.parquet", t=column, y=[1, 2, 3])).frame["t"]
    assert str(found.dt.tz) == "UTC"
    assert [time.to_pydatetime() for time in found.dt.tz_localize(None)] == DAYS


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    one = write(tmp_path / "a.parquet", t=pa.array(DAYS[:2], pa.timestamp("ms")), y=[1, 2])
    other = write(tmp_path / "b.parquet", y=[0.5], x=["x"], t=pa.array(DAYS[2:], pa.timestamp("ns")))
    rows = read(one, other)
    assert rows.frame["y"].tolist() == [1, 2, 0.5]
    assert [time.to_pydatetime() for time in rows.frame["t"]] == DAYS
    assert [rows.where(at) for at in range(3)] == [f"{one} row 1", f"{one} row 2", f"{other} row 1"]


def test_categories_of_several_files_become_text(tmp_path: Path) -> None:
    one = write(tmp_path / "a.parquet", t=pa.array(["a", "b"]).dictionary_encode(), y=[1, 2])
    other = write(tmp_path / "b.parquet", t=pa.array(["c", "a"]).dictionary_encode(), y=[3, 4])
    assert read(one, other).frame["t"].tolist() == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    "other", [pa.array(DAYS), pa.array([1, 2, 3]), pa.array(DAYS, pa.timestamp("us", "UTC"))], ids=str
)
def test_a_column_of_two_types_is_refused(tmp_path: Path, other: Any) -> None:
    first = pa.array(["a", "b", "c"]) if other.type != pa.timestamp("us", "UTC") else pa.array(DAYS)
    paths = [
        write(tmp_path / f"{name}.parquet", t=column, y=[1, 2, 3]) for name, column in (("a", first), ("b", other))
    ]
    assert refusal(*paths) == f"{tmp_path} (2 files), column 't': its type differs between files. Use one type."


@pytest.mark.parametrize("number", [float("inf"), -float("inf"), 1e39])
def test_a_number_that_no_float32_holds_is_refused_with_its_row(tmp_path: Path, number: float) -> None:
    path = write(tmp_path / "a.parquet", t=["a", "b", "c"], y=[1.0, number, number])
    message = refusal(path)
    assert message.startswith(f"{path} row 2, column 'y': not a finite number: {number} (2 such cells). Fix it")


def test_a_missing_column_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.parquet", t=["a"], y=[1]), write(tmp_path / "b.parquet", t=["a"], value=[1])
    assert refusal(one, other) == f"{other}: no column 'y'. Columns: 't', 'value'."


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"t": ["a"], "y": ["1"]}, "column 'y': holds text. Expected numbers: name another column."),
        ({"t": ["a"], "y": pa.array(DAYS[:1])}, "column 'y': holds times. Expected numbers"),
        ({"t": [[1, 2]], "y": [1]}, "column 't': holds list<element: int64>. Expected text"),
    ],
)
def test_a_column_of_another_type_is_refused(tmp_path: Path, columns: dict[str, Any], told: str) -> None:
    assert told in refusal(write(tmp_path / "a.parquet", **columns))


def test_files_without_rows_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", t=pa.array([], pa.string()), y=pa.array([], pa.float64()))
    assert refusal(path) == f"{path}: no rows. Expected at least one."
    assert len(read(path, write(tmp_path / "b.parquet", t=["a"], y=[1])).frame) == 1


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"t": ["a"] * 1000, "y": np.arange(1000.0)}), path, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes({"empty": b"", "text": b"t,y\na,1\n", "cut": bytes(content[:-100])}.get(damage, bytes(content)))
    message = refusal(path)
    assert message.startswith(f"{path}: not a complete Parquet file (")
    assert message.endswith("). Fetch it, or write it, again.")


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_that_is_not_utf_8_is_refused_with_its_row(tmp_path: Path, type_: pa.DataType) -> None:
    """Arrow writes and reads such text without a word."""
    offsets = pa.py_buffer(b"".join(at.to_bytes(4, "little") for at in (0, 1, 3, 4)))
    cells = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"ab\xffc"))
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": cells.cast(type_)}), file)
    with pytest.raises(DataError) as refused:
        Parquet(kind="parquet", path="x").read([file], ["text"], [])
    assert str(refused.value) == f"{file} row 2, column 'text': not utf-8. Write the file again."
