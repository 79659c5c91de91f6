"""Tables and documents that are equal for equal content."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.util.table_io import read_document, read_table, write_document, write_table


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
