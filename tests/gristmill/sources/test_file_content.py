"""Files in other formats than their names say: named with what to do, by `init` and by every source of tables."""

import gzip
from pathlib import Path

import pytest

from gristmill.errors import DataError
from gristmill.scaffold.data import data_at
from gristmill.scaffold.table import read_table
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet

TABLE = b"day,y\n1,2\n2,4\n"
PDF = b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
PAGE = b"<!-- saved -->\n<!DOCTYPE HTML>\n<html><p>a,b</p></html>\n"


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (PDF, "a.csv", "a PDF document. Save the table as CSV."),
        (gzip.compress(PDF), "a.csv.gz", "a PDF document. Save the table as CSV."),
        (PDF, "a.jsonl", "a PDF document. Save the table as CSV."),
        (PDF, "a.parquet", "a PDF document. Save the table as CSV."),
        (PAGE, "a.csv", "an HTML page, not a table. Download the table itself, or use its own URL."),
        (
            PAGE.decode().encode("utf-16"),
            "a.csv",
            "an HTML page, not a table. Download the table itself, or use its own",
        ),
        (PAGE, "a.jsonl", "an HTML page, not a table. Download the table itself, or use its own URL."),
        (b"<?xml version='1.0'?>\n<rows/>\n", "a.csv", "an XML document. Save the table as CSV."),
        (
            b'[\n {"day": 1,\n "y": 2}]',
            "a.csv",
            "a JSON document, not a table. Write it as a .jsonl file with one object per row, each on its own line.",
        ),
        (
            b'{"rows": [{"y": 2}]}',
            "a.csv",
            "a JSON document, not a table. Write it as a .jsonl file with one object per row, each on its own line.",
        ),
        (b"PK\3\4\x14\0\6\0", "a.csv", "a zip archive or an Excel workbook. Unpack the archive, or save the sheet as"),
        (b"SQLite format 3\0\x10\0", "a.csv", "an SQLite database. Save the table as CSV."),
        (gzip.compress(TABLE), "a.csv", "compressed with gzip. Rename the file so that it ends in .gz."),
        (
            b"PAR1\x15\4\x15",
            "a.csv",
            'a Parquet file. Rename it so that it ends in .parquet, and set kind = "parquet".',
        ),
    ],
)
def test_a_file_in_another_format_is_named_by_init_and_by_a_run(
    tmp_path: Path, content: bytes, name: str, problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    source = {"csv": Csv, "gz": Csv, "jsonl": Jsonl, "parquet": Parquet}[name.rpartition(".")[2]]
    kind = source.__name__.lower()

    for read in (
        lambda: read_table(data_at(str(path), tmp_path / "project")),
        lambda: source(kind=kind, path=name).read([path], ["day"], ["y"]),
    ):
        with pytest.raises(DataError) as raised:
            read()
        assert str(raised.value).startswith(f"{path}: {problem}")
        assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("header", [b"PAR1,day,y", b"BZh,day,y", b"{a},day,y", b"[a],day,y", b"<day>,day,y"])
def test_a_header_that_only_resembles_another_format_is_read(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(header + b"\n0,1,2\n")

    assert Csv(kind="csv", path="a.csv").read([tmp_path / "a.csv"], ["day"], ["y"]).frame["y"].tolist() == [2]
