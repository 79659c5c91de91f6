"""Tables and documents that are equal for equal content."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.util import table_io
from gristmill.util.table_io import (
    read_arrays,
    read_document,
    read_first_rows,
    read_runs,
    read_table,
    table_writer,
    write_document,
    write_table,
)


def frame() -> pd.DataFrame:
    """Return a table of the kinds that artifacts hold."""
    return pd.DataFrame(
        {
            "ds": pd.date_range("1749-01-01", periods=500, freq="MS"),
            "y": np.random.default_rng(0).normal(size=500),
            "small": np.arange(500, dtype=np.float32),
            "step": np.arange(500),
            "part": ["validation", "test"] * 250,
        }
    )


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", frame())

    found = read_table(tmp_path / "a.parquet")

    assert found.columns.tolist() == frame().columns.tolist()
    for name in frame():
        assert found[name].tolist() == frame()[name].tolist()
    assert [found[name].dtype.kind for name in frame()] == ["M", "f", "f", "i", "O"] or found["part"].dtype == "str"
    assert found["small"].dtype == np.float32


def test_missing_values_come_back(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", pd.DataFrame({"y": [1.0, np.nan, 3.0]}))

    assert read_table(tmp_path / "a.parquet")["y"].isna().tolist() == [False, True, False]


def test_the_index_is_not_written_and_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", frame())
    write_table(tmp_path / "b.parquet", frame().set_index(pd.Index(range(507, 7, -1), name="row").astype("str")))

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_tables_are_compressed_by_zstd_and_tell_nothing_of_what_wrote_them(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_table(tmp_path / "a.parquet", frame())

    group = pq.read_metadata(tmp_path / "a.parquet").row_group(0)
    assert {group.column(index).compression for index in range(group.num_columns)} == {"ZSTD"}
    assert pq.read_schema(tmp_path / "a.parquet").metadata is None  # pandas would leave its version


def test_a_flipped_bit_in_a_page_is_found(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    write_table(path, frame())
    column = pq.read_metadata(path).row_group(0).column(1)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(OSError, match="CRC"):
        read_table(path)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_columns_are_read_a_batch_at_a_time(batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_io, "_ROWS_PER_BATCH", batch)
    written = frame().assign(y=frame()["y"].where(frame()["step"] != 3), filled=frame()["step"] > 490)
    with table_writer(tmp_path / "a.parquet") as write:
        write(written[:200])
        write(written[200:])
    path, names = tmp_path / "a.parquet", ["y", "small", "step", "filled"]

    arrays = read_arrays(path, names)

    assert list(arrays) == names
    for name, values in arrays.items():
        assert values.dtype == written[name].dtype, name
        assert np.array_equal(values, written[name].to_numpy(), equal_nan=name == "y"), name
    for count in (1, 9, 250, 500):
        first = read_first_rows(path, count, ["step"], part="test")
        assert first["step"].tolist() == np.arange(500)[1::2][:count].tolist()
        assert first.columns.tolist() == ["step"]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_runs_of_text_are_counted_across_batches(batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_io, "_ROWS_PER_BATCH", batch)
    write_table(tmp_path / "a.parquet", pd.DataFrame({"id": [*"aaaabccccccc", "déjà", "déjà"]}))

    values, counts = read_runs(tmp_path / "a.parquet", "id")

    assert values == ["a", "b", "c", "déjà"]
    assert counts.tolist() == [4, 1, 7, 2]


def test_rows_are_read_that_equal_one_of_several_values(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", pd.DataFrame({"id": [*"abcab"], "n": range(5)}))

    assert read_table(tmp_path / "a.parquet", ["n"], id=("a", "c"))["n"].tolist() == [0, 2, 3]
    assert read_table(tmp_path / "a.parquet", id="b")["n"].tolist() == [1, 4]


def test_a_writer_that_is_given_nothing_writes_no_file(tmp_path: Path) -> None:
    with table_writer(tmp_path / "a.parquet"):
        pass

    assert not (tmp_path / "a.parquet").exists()


def test_a_truncated_table_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, frame())
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises((OSError, ValueError)):
        read_table(path)


def test_a_document_comes_back_with_its_keys_in_their_order(tmp_path: Path) -> None:
    value = {"b": [1, 0.1 + 0.2, None], "a": {"ö": "–"}}

    write_document(tmp_path / "a.json", value)

    assert read_document(tmp_path / "a.json") == value
    assert list(read_document(tmp_path / "a.json")) == ["b", "a"]
    assert "ö" in (tmp_path / "a.json").read_text(encoding="utf-8")
