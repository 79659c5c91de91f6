"""Tables as people save them: encodings, separators, decimal marks, kinds of files."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from gristmill.errors import DataError
from gristmill.scaffold.data import data_at
from gristmill.scaffold.table import SampledTable, read_table

CITIES = "day,Zürich,Genève\n2024-01-01,1.5,2\n2024-01-02,2.5,3\n2024-01-03,3.5,4\n"


def read(folder: Path, content: str | bytes, name: str = "given.csv") -> SampledTable:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(data_at(str(path), folder))


def settings(table: SampledTable) -> dict[str, object]:
    return {guess.key: guess.value for guess in table.guesses}


def refusal(folder: Path, content: str | bytes, name: str = "given.csv") -> str:
    with pytest.raises(DataError) as raised:
        read(folder, content, name)
    assert len(str(raised.value).splitlines()) == 1
    assert str(folder / name) in str(raised.value)
    return str(raised.value)


def test_an_ordinary_file_needs_no_settings(tmp_path: Path) -> None:
    table = read(tmp_path, CITIES)

    assert settings(table) == {"kind": "csv", "path": "given.csv"}
    assert list(table.columns) == ["day", "Zürich", "Genève"]
    assert table.column("day").numbers is None
    assert table.summary == "3 rows of 3 columns"


@pytest.mark.parametrize(("encoding", "named"), [("utf-8-sig", None), ("utf-16", "utf-16"), ("cp1252", "cp1252")])
def test_the_encoding_is_that_of_the_mark_or_the_first_that_fits(
    tmp_path: Path, encoding: str, named: str | None
) -> None:
    table = read(tmp_path, CITIES.encode(encoding))

    assert settings(table).get("encoding") == named
    assert list(table.columns) == ["day", "Zürich", "Genève"]


def test_bytes_that_windows_does_not_know_are_latin_1(tmp_path: Path) -> None:
    table = read(tmp_path, b"name,value\n\x81\xe9,1\nb,2\n")

    assert settings(table)["encoding"] == "latin-1"


@pytest.mark.parametrize("separator", [";", "\t", "|", " ", ","])
def test_the_separator_is_what_cuts_rows_like_the_header(tmp_path: Path, separator: str) -> None:
    rows = [["name", "value", "note"], ["a", "1", "x,y" if separator != "," else "x;y"], ["b", "2", "z"]]
    table = read(tmp_path, "\n".join(separator.join(row) for row in rows) + "\n")

    assert list(table.columns) == rows[0]
    assert settings(table).get("separator", ",") == separator


def test_commas_between_spaces_separate(tmp_path: Path) -> None:
    table = read(tmp_path, "name , town , value\nAnna , Ulm , 1\nBert , Kiel , 2\n")

    assert list(table.columns) == ["name", "town", "value"]


@pytest.mark.parametrize(("town", "strip"), [("Ulm ", True), ("Ulm", None), (" 7", None)])
def test_spaces_around_names_are_stripped_but_not_around_texts(tmp_path: Path, town: str, strip: bool | None) -> None:
    rows = [f"{town},text {at} " for at in range(4)]

    assert settings(read(tmp_path, "\n".join(["town,note", *rows]))).get("strip") == strip


def test_a_file_named_tsv_needs_no_separator(tmp_path: Path) -> None:
    assert settings(read(tmp_path, "a\tb\n1\t2\n3\t4\n", "t.tsv")) == {"kind": "csv", "path": "t.tsv"}


def test_a_column_of_sentences_has_no_lines_above_its_header(tmp_path: Path) -> None:
    table = read(tmp_path, "name\n" + "Anna Smith\n" * 9)

    assert list(table.columns) == ["name"]


def test_decimal_commas_are_seen(tmp_path: Path) -> None:
    table = read(tmp_path, "day;value;count\n01.02.2024;1,5;3\n02.02.2024;-2,25;4\n")

    assert settings(table)["decimal"] == ","
    assert table.column("value").numbers is not None
    assert table.column("value").numbers.tolist() == [1.5, -2.25]
    assert table.column("count").numbers.tolist() == [3, 4]
    assert table.column("day").numbers is None


def test_decimal_commas_are_seen_in_a_column_with_a_few_cells_that_are_no_numbers(tmp_path: Path) -> None:
    rows = [f"{at},5;1.{at:03},25" for at in range(20)]
    rows[12] = "12 EUR;7,5"
    table = read(tmp_path, "\n".join(["value;large", *rows]))

    assert settings(table)["decimal"] == ","
    value, large = table.column("value"), table.column("large")
    assert value.numbers is None
    assert value.first_bad == 12
    assert value.why_not_numbers.startswith("holds '12 EUR' among numbers")
    assert large.numbers is not None


def test_points_beside_commas_stay_points(tmp_path: Path) -> None:
    table = read(tmp_path, "value;pair\n1.5;1,2\n2.5;3,4\n")

    assert "decimal" not in settings(table)
    assert table.column("value").numbers is not None
    assert table.column("pair").numbers is None


@pytest.mark.parametrize(
    ("cells", "found", "numbers"),
    [
        (["1,234", "950"], {"thousands": ","}, [1234, 950]),
        (["1,234.5", "0.25"], {"thousands": ","}, [1234.5, 0.25]),
        (["1.220,74", "-3"], {"decimal": ",", "thousands": "."}, [1220.74, -3]),
        (["1.234.567", "12"], {"decimal": ",", "thousands": "."}, [1234567, 12]),
        (["1.250", "3.125"], {"decimal": "."}, [1.25, 3.125]),
        (["1,250", "3,125"], {"decimal": ","}, [1.25, 3.125]),
        (["1 220,74", "1\u202f000,5"], {"decimal": ",", "thousands": " "}, [1220.74, 1000.5]),
        (["1'220.74", "7"], {"thousands": "'"}, [1220.74, 7]),
        (["$1,220.74", "$7.10"], {"thousands": ",", "units": {"value": "$"}}, [1220.74, 7.1]),
        (["-12.5 %", "3%"], {"units": {"value": "%"}}, [-12.5, 3]),
        (["EUR 12", "EUR 13"], {"units": {"value": "EUR"}}, [12, 13]),
        (["−4.3", "–5"], {}, [-4.3, -5]),
        (["−€4", "€5"], {"units": {"value": "€"}}, [-4, 5]),
        (["0,123", "51,004"], {"decimal": ","}, [0.123, 51.004]),
        (["50.1k", "3.2k"], {}, None),
        (["51.3%", "0.501"], {}, None),
        (["SKU001", "SKU002"], {}, None),
        (["USD001", "USD002"], {}, None),
        (["<0.1", "<0.2"], {}, None),
        (["~4", "~5"], {}, None),
        (["#2", "#3"], {}, None),
        (["2,50,000", "3,10,000"], {}, None),
        (["1.5", "2,5"], {}, None),
        (["12 kg", "500 g"], {}, None),
        (["A12", "B7"], {}, None),
        (["12,50,100", "1,2"], {}, None),
    ],
)
def test_the_way_in_which_numbers_are_written_is_seen(
    tmp_path: Path, cells: list[str], found: dict[str, object], numbers: list[float] | None
) -> None:
    table = read(tmp_path, "name;value\n" + "".join(f"a;{cell}\n" for cell in cells))

    assert {key: value for key, value in settings(table).items() if key not in ("kind", "path", "separator")} == found
    read_back = table.column("value").numbers
    assert (None if read_back is None else read_back.tolist()) == numbers
    if numbers:
        assert table.source.read(table.files, [], ["value"]).frame["value"].tolist() == numbers


def test_a_unit_is_left_out_of_its_own_column_only(tmp_path: Path) -> None:
    table = read(tmp_path, "price;share;mixed\n3 €;51.3%;1.5\n4 €;50%;2 €\n")

    assert settings(table)["units"] == {"price": "€", "share": "%"}
    assert table.column("mixed").numbers is None


@pytest.mark.parametrize(
    ("content", "key", "why"),
    [
        ("a;b\n1.503;1\n2.117;2\n", "decimal", 'if 1.503 means a number over 1,000, use decimal = ","'),
        ("a;b\n1.220,74;51.004\n1,5;52.116\n", "thousands", "check 'b', where 51.004 is read as a number over 1,000"),
        ("a;b\n72,5;51.004\n1,5;52.116\n", "thousands", "check 'b', where 51.004 is read as a number over 1,000"),
    ],
)
def test_a_mark_that_could_be_of_both_kinds_is_named(tmp_path: Path, content: str, key: str, why: str) -> None:
    assert next(guess.why for guess in read(tmp_path, content).guesses if guess.key == key).find(why) >= 0


def test_commas_in_cells_that_commas_separate_are_between_thousands(tmp_path: Path) -> None:
    table = read(tmp_path, 'name,value\na,"1,234"\nb,"5,678"\n')

    assert settings(table)["thousands"] == ","
    assert table.source.read(table.files, [], ["value"]).frame["value"].tolist() == [1234, 5678]


@pytest.mark.parametrize(
    ("above", "below", "found"),
    [
        ("Sales of the year\n\n", "", {"skip_rows": 2}),
        ("Sales, in €\nsince May\n", "", {"skip_rows": 2}),
        ("Sales of 2024,,\n,,\n", "", {"skip_rows": 2}),
        ("Sales,,\n", "", {"skip_rows": 1}),
        ("# a\n# b, c, d, e\n", "", {"comment": "#"}),
        ("# a\nSales\nof May\n", "", {"skip_rows": 3}),
        ("sep=,\n", "", {"skip_rows": 1}),
        ("", "Total,9,10\n", {"footer": ["Total"]}),
        ("", "total:,9,10\nSource: us\n", {"footer": ["total:", "Source: us"]}),
        ("", "Total,9,10", {"footer": ["Total"]}),
        ("", "A dash means no data\n", {"footer": ["A dash means no data"]}),
    ],
)
def test_rows_above_and_below_the_table_are_left_out(
    tmp_path: Path, above: str, below: str, found: dict[str, object]
) -> None:
    table = read(tmp_path, above + "day,sold,kept\na,1,2\nb,3,4\nc,5,6\n" + below)

    assert {key: value for key, value in settings(table).items() if key not in ("kind", "path")} == found
    assert table.column("sold").numbers is not None
    assert table.column("sold").numbers.tolist() == [1, 3, 5]
    assert table.rows.where(0).endswith(f"row {above.count(chr(10)) + 2}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("first", ["Konto 12", "Konto 12, Ulm"])
def test_prose_above_semicolons_and_decimal_commas_is_left_out(tmp_path: Path, encoding: str, first: str) -> None:
    rows = "".join(f"0{day}.01.2023;{day},50\n" for day in range(1, 9))
    table = read(tmp_path, f"{first}\nSeite 1\n\nDatum;Betrag\n{rows}".encode(encoding))

    assert list(table.columns) == ["Datum", "Betrag"]
    assert table.column("Betrag").numbers is not None


def test_a_web_page_is_refused(tmp_path: Path) -> None:
    assert "an HTML page, not a table" in refusal(tmp_path, "\n<!DOCTYPE HTML>\n<html><p>a,b</p>\n</html>\n")


def test_a_header_may_name_only_the_first_column(tmp_path: Path) -> None:
    assert list(read(tmp_path, "day,\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n").columns) == ["day", "Unnamed: 1"]


def test_a_header_of_two_rows_joins_their_names(tmp_path: Path) -> None:
    table = read(tmp_path, "day,sold,sold\n,north,south\n1 May,2,3\n2 May,4,5\n3 May,6,7\n")

    assert settings(table)["header_rows"] == 2
    assert list(table.columns) == ["day", "sold north", "sold south"]


@pytest.mark.parametrize("last", ["d,7", "2024-01-0", "Source: us"])
def test_a_last_row_that_may_be_cut_is_no_footer(tmp_path: Path, last: str) -> None:
    said = refusal(tmp_path, f"day,sold,kept\na,1,2\nb,3,4\nc,5,6\n{last}")

    assert "row 5: " in said
    assert "fields, but the header has 3 (1 such row)" in said


def test_rows_of_data_with_a_number_sign_are_no_comments(tmp_path: Path) -> None:
    assert "comment" not in settings(read(tmp_path, "tag,count\n#a,1\n#b,2\nc,3\n"))


@pytest.mark.parametrize("separator", [",", ";"])
def test_quotes_in_comments_and_number_signs_in_quotes_are_seen_as_a_run_sees_them(
    tmp_path: Path, separator: str
) -> None:
    lines = ["# of us", "# all", "tag,count", "a,1", '# it was,"b', '"c\n# d",3', '#"', "e,5"]
    table = read(tmp_path, "\n".join(lines).replace(",", separator) + "\n")

    assert settings(table)["comment"] == "#"
    assert table.column("tag").cells.tolist() == ["a", "c\n# d", "e"]
    assert table.rows.frame.index.tolist() == [4, 6, 8]


def test_a_first_line_with_a_number_sign_may_be_the_header(tmp_path: Path) -> None:
    assert list(read(tmp_path, "#day,sold\n1,2\n3,4\n").columns) == ["#day", "sold"]


def test_marks_of_missing_values_are_no_values_where_numbers_stand(tmp_path: Path) -> None:
    table = read(tmp_path, "place;value;code\nNA;1,5;NA\nb;N/A;x\nc; na;y\nd;2,5;z\n")

    assert settings(table) == {
        "kind": "csv", "path": "given.csv", "separator": ";", "decimal": ",", "missing": ["N/A", "na"],
    }  # fmt: skip
    value = table.column("value").numbers
    assert value is not None
    assert value.dropna().tolist() == [1.5, 2.5]
    assert table.column("value").empty == 2
    assert table.column("code").cells.tolist() == ["NA", "x", "y", "z"]  # a name, where no numbers are
    assert table.source.read(table.files, ["place"], ["value"]).frame["value"].equals(value)


def test_packed_files_are_read(tmp_path: Path) -> None:
    table = read(tmp_path, gzip.compress(CITIES.encode("cp1252")), "given.csv.gz")

    assert settings(table) == {"kind": "csv", "path": "given.csv.gz", "encoding": "cp1252"}


def test_parquet_keeps_its_types_and_leaves_out_what_no_source_reads(tmp_path: Path) -> None:
    pd.DataFrame(
        {"t": pd.date_range("2024", periods=3), "n": [1, 2, 3], "x": [1.5, None, 2.0], "list": [[1], [2], [3]]}
    ).to_parquet(tmp_path / "t.parquet")
    table = read_table(data_at(str(tmp_path / "t.parquet"), tmp_path))

    assert settings(table) == {"kind": "parquet", "path": "t.parquet"}
    assert list(table.columns) == ["t", "n", "x"]
    assert table.column("t").cells.dtype.kind == "M"
    assert table.column("x").empty == 1


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_json_lines_keep_what_is_no_array(tmp_path: Path, name: str) -> None:
    rows = [{"text": "a b", "label": 0, "tags": []}, {"text": "c", "label": 1, "extra": 2.5}]
    table = read(tmp_path, "\n".join(map(json.dumps, rows)), name)

    assert settings(table) == {"kind": "jsonl", "path": name}
    assert list(table.columns) == ["text", "label", "extra"]
    assert table.column("label").numbers is not None
    assert table.column("text").numbers is None


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_booleans_are_names_as_in_a_csv_file(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"flag": [True, False, True], "y": [1.5, 2, 3]})
    if name == "t.jsonl":
        frame.to_json(tmp_path / name, orient="records", lines=True)
    else:
        frame.to_parquet(tmp_path / name)
    table = read_table(data_at(str(tmp_path / name), tmp_path))

    assert table.column("flag").numbers is None
    assert table.column("flag").cells.tolist() == ["true", "false", "true"]
    assert table.column("y").numbers is not None


def test_marks_of_missing_values_in_json_lines_are_seen(tmp_path: Path) -> None:
    rows = [{"n": value, "town": town} for value, town in ((1, "Ulm"), ("NA", "Bonn"), (2.5, "n/a"), (3, "Kiel"))]
    table = read(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl")

    numbers = table.column("n").numbers
    assert numbers is not None
    assert numbers.dropna().tolist() == [1, 2.5, 3]
    assert settings(table)["missing"] == ["NA"]
    assert table.source.read(table.files, [], ["n"]).frame["n"].isna().tolist() == [False, True, False, False]
    assert table.column("town").marks == {"n/a"}


def test_marks_of_missing_values_in_parquet_texts_are_seen(tmp_path: Path) -> None:
    frame = pd.DataFrame({"town": ["Ulm", "Bonn", "n/a", "Ulm"] * 5, "x": [0.5, 1, 2, 3] * 5})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(data_at(str(tmp_path / "t.parquet"), tmp_path)).with_marks_as_empty()

    assert settings(table)["missing_in"] == ["town"]
    assert table.column("town").empty == 5


def test_files_of_a_folder_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    read(tmp_path / "in", CITIES, "a.csv")
    read(tmp_path / "in", CITIES, "b.csv")
    table = read_table(data_at(str(tmp_path / "in"), tmp_path))

    assert settings(table) == {"kind": "csv", "path": "in"}
    assert table.summary == "6 rows of 3 columns in 2 files"


def test_a_folder_of_several_kinds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    read(tmp_path / "in", CITIES, "a.csv")
    read(tmp_path / "in", '{"a": 1}', "b.jsonl")
    with pytest.raises(DataError, match=r"files of several kinds, csv and jsonl\. Name one, or a pattern"):
        read_table(data_at(str(tmp_path / "in"), tmp_path))


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("", "t.csv", "the file is empty"),
        (
            b"PK\x03\x04\x00\x00",
            "t.xlsx",
            "a zip archive or an Excel workbook. Unpack the archive, or save the sheet as CSV",
        ),
        (b"\x89PNG\0\0\1", "t.csv", "not text, it begins with"),
        ("1,2\n3,4\n", "t.csv", "the first line, ['1', '2'], has no column names"),
        ("2024-01-01,2\n2024-01-02,4\n", "t.csv", "has no column names"),
        ("a,b\n", "t.csv", ": no rows"),
        (
            '{"page": 1, "in": {"rows": [{"a": 1}]}}',
            "t.json",
            "a single JSON object that holds the rows under the key 'in.rows'. Write each",
        ),
        ('[{"a": 1}]', "t.json", "a single JSON array. Write each of its objects on its own line"),
        (b"not gzip", "t.csv.gz", "not a complete gzip file"),
        (b"PAR1 but no more", "t.parquet", "not a complete Parquet file"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, content: str | bytes, name: str, said: str) -> None:
    assert said in refusal(tmp_path, content, name)


def test_a_nested_key_of_json_lines_is_named_where_a_column_lacks(tmp_path: Path) -> None:
    rows = [{"name": f"n{at}", "at": {"lat": at, "lon": 1.5}} for at in range(3)]
    table = read(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl")

    assert list(table.columns) == ["name"]
    assert str(table.missing_column_error("no numbers.")).startswith(
        f"{tmp_path}/t.jsonl: no numbers. A column was skipped: {tmp_path}/t.jsonl row 1, "
    )
    with pytest.raises(
        DataError, match=r"column 'at': .*: flatten the objects, for example with pandas\.json_normalize"
    ):
        table.column("at")


def test_columns_that_tell_nothing_are_known(tmp_path: Path) -> None:
    rows = [f"{at + 7},{100 - 3 * at},x,{'' if at else 1},{'2 kg' if at == 5 else at / 2}" for at in range(40)]
    table = read(tmp_path, "\n".join(["row,customer_id,same,few,stray", *rows]))

    assert table.column("row").why_useless == "numbers the rows"
    assert table.column("customer_id").why_useless == "numbers the rows"
    assert table.column("same").why_useless == "has only one value"
    assert table.column("few").why_useless == "has only one value"
    stray = table.column("stray")
    assert stray.cells[stray.bad].tolist() == ["2 kg"]
    with pytest.raises(DataError, match=r"no column 'other'\. Columns: 'row', 'customer_id'"):
        table.column("other")
