"""A file that stands in for a source is read as its name says, and keeps its columns."""

import json
from pathlib import Path

import pandas as pd
import pytest

from gristmill.errors import RequestError
from gristmill.project.predictor import reader_of, with_columns
from gristmill.settings.base import Settings
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.inline import Inline
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet
from gristmill.sources.tables.table_files import TableFiles
from gristmill.sources.texts.folder import Folder

LINE = Inline(kind="inline", x=(1,), y=(1,))
SHEET = Csv(kind="csv", path="a.csv", separator=";")
LINES = Jsonl(kind="jsonl", path="a.jsonl")
INBOX = Folder(kind="folder", path="inbox", parts=True, encoding="latin-1")


@pytest.mark.parametrize(
    ("place", "source"),
    [("b.csv", SHEET), ("b.dat", SHEET), ("folder", SHEET), ("*.ndjson", LINES), ("b.txt", INBOX)],
)
def test_the_source_reads_what_is_named_as_its_files_or_like_none(place: str, source: Settings) -> None:
    assert reader_of(place, source, "name", plain=True) is source


@pytest.mark.parametrize("source", [LINE, SHEET, LINES, INBOX])
@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("x/b.csv.gz", "csv"),
        ("b.jsonl", "jsonl"),
        ("b.ndjson.gz", "jsonl"),
        ("b.parquet", "parquet"),
        ("b.txt", "folder"),
    ],
)
def test_a_file_of_another_kind_is_read_as_its_name_says(place: str, kind: str, source: Settings) -> None:
    assert getattr(reader_of(place, source, "name", plain=True), "kind", None) == kind


@pytest.mark.parametrize("place", ["b.csv", "b.tsv", "b.jsonl", "b.parquet", "b.dat"])
@pytest.mark.parametrize("kind", [Csv, Jsonl, Parquet])
def test_a_table_of_another_kind_is_cleaned_and_has_the_same_marks(
    place: str, kind: type[Csv | Jsonl | Parquet]
) -> None:
    source = kind.model_validate({"kind": kind.__name__.lower(), "path": "a", "prepare": "clean.py:prepare"})
    source = source.model_copy(update={"missing": ("NA",), "missing_in": ("town",)})

    reader = reader_of(place, source, "name", plain=True)
    assert isinstance(reader, TableFiles)
    assert (reader.prepare, reader.missing, reader.missing_in) == (source.prepare, ("NA",), ("town",))


@pytest.mark.parametrize(("place", "of", "separator"), [("b.TSV.gz", "a.csv", "\t"), ("b.csv", "a.tsv", ",")])
def test_the_name_of_a_table_tells_its_separator(place: str, of: str, separator: str) -> None:
    source = Csv(kind="csv", path=of, encoding="latin-1", decimal=",", missing=["NA"])

    made = reader_of(place, source, "name")

    assert made == source.model_copy(update={"path": place, "separator": separator})


def test_a_folder_of_plain_texts_alone_stands_in_for_one_of_tables(tmp_path: Path) -> None:
    inbox = str(tmp_path)
    assert reader_of(inbox, SHEET, "name", plain=True) is SHEET  # empty
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.TXT").write_text("fine")
    assert isinstance(reader_of(inbox, SHEET, "name", plain=True), Folder)
    assert reader_of(inbox, SHEET, "name") is SHEET
    assert reader_of(inbox, INBOX, "name", plain=True) is INBOX
    (tmp_path / "a.csv").write_text("text\n")
    assert reader_of(inbox, SHEET, "name", plain=True) is SHEET


def test_a_folder_of_plain_texts_stands_in_for_a_source_of_no_files(tmp_path: Path) -> None:
    assert isinstance(reader_of(str(tmp_path), LINE, "name", plain=True), Folder)


@pytest.mark.parametrize(("plain", "more"), [(False, ""), (True, ", or a .txt file")])
def test_a_name_that_tells_nothing_is_refused_where_the_source_reads_no_files(plain: bool, more: str) -> None:
    with pytest.raises(RequestError) as refused:
        reader_of("b.dat", LINE, "line", plain)

    assert str(refused.value) == (
        "--input b.dat: [pipelines.line.source] reads no files, so it does not say how to read this one. "
        f"Expected a .csv, .jsonl or .parquet file with the pipeline's columns{more}."
    )


@pytest.mark.parametrize("source", [SHEET, LINE, Parquet(kind="parquet", path="a.parquet")])
def test_one_json_array_is_no_table(source: Settings) -> None:
    with pytest.raises(RequestError, match=r"^--input n\.json: unknown file type '\.json'; write each"):
        reader_of("n.json", source, "name")
    assert reader_of("n.json", LINES, "name") is LINES


def test_a_plain_text_is_no_table() -> None:
    with pytest.raises(RequestError, match=r"--input b\.txt: \[pipelines\.line\.source\] reads no file"):
        reader_of("b.txt", LINE, "line")


ROWS = [{"id": "007", "size": 1.5, "rooms": 3, "predicted": 4.0}, {"id": "008", "size": 20.0, "rooms": None}]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_predictions_are_added_to_all_columns_of_their_files(tmp_path: Path, kind: str) -> None:
    one, two = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}"
    pd.DataFrame(ROWS).astype({"rooms": "Int64"}).to_parquet(two)
    if kind == "csv":
        two.write_text("id,size,rooms,predicted\n007,1.5,3,4\n,,,\n008,20,,\n")
    if kind == "jsonl":
        two.write_text("\n".join(map(json.dumps, ROWS)))
    one.write_bytes(two.read_bytes())
    source = {"csv": Csv, "jsonl": Jsonl, "parquet": Parquet}[kind](kind=kind, path="a")

    rows = source.whole((one, two))

    answer = pd.DataFrame({"row": range(4), "size": [0.0] * 4, "predicted": range(4), "p_yes": [0.5] * 4})
    made = with_columns(answer, rows)
    assert made.columns.tolist() == ["row", "id", "size", "rooms", "predicted", "p_yes"]
    assert made["id"].tolist() == ["007", "008"] * 2
    assert made["size"].tolist() == [1.5, 20] * 2
    assert made["rooms"].fillna(0).tolist() == [3, 0] * 2
    assert made["predicted"].tolist() == [0, 1, 2, 3]
