"""What a CSV file gives, and the one line that says what is wrong with it."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from gristmill.errors import DataError, count_of
from gristmill.sources.rows import Rows
from gristmill.sources.tables.csv import Csv

if TYPE_CHECKING:
    import pandas as pd

Read = Callable[..., "pd.DataFrame"]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write content to a file and return its columns t (text) and y (numbers)."""

    def call(content: str | bytes, name: str = "a.csv", **settings: Any) -> "pd.DataFrame":
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Csv(kind="csv", path=name, **settings).read([path], ["t"], ["y"]).frame

    return call


def refusal(read: Read, content: str | bytes, name: str = "a.csv", **settings: Any) -> str:
    """Return the message of the refusal, which is one line and begins with the file."""
    with pytest.raises(DataError) as caught:
        read(content, name, **settings)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.partition(":")[0].split(" row ")[0].endswith(name)
    return message


def test_columns_are_text_and_numbers_under_the_rows_of_the_file(read: Read) -> None:
    frame = read("t,other,y\n007,x,1\nb,x,-2.5e1\nc,x,\n")

    assert frame["t"].tolist() == ["007", "b", "c"]
    assert frame["y"].dtype == np.float64
    assert frame["y"].iloc[:2].tolist() == [1, -25]
    assert np.isnan(frame["y"].iloc[2])
    assert frame.columns.tolist() == ["t", "y"]
    assert frame.index.tolist() == [2, 3, 4]


def several(tmp_path: Path, *contents: str) -> Rows:
    """Read files a.csv, b.csv, … of these contents."""
    paths = [tmp_path / f"{name}.csv" for name, _ in zip("abc", contents, strict=False)]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content)
    return Csv(kind="csv", path="*.csv").read(paths, ["t"], ["y"])


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    rows = several(tmp_path, "t,y\na,1\n\nb,2\n", "other,y,t\nx,3,c\n", "y,t\n")

    assert rows.frame["t"].tolist() == ["a", "b", "c"]
    assert rows.frame["y"].tolist() == [1, 2, 3]
    assert [rows.where(at) for at in range(3)] == [
        f"{tmp_path}/{row}" for row in ("a.csv row 2", "a.csv row 4", "b.csv row 2")
    ]


def test_a_later_file_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"/b\.csv: no column 'y'\. Columns: 't', 'value'\."):
        several(tmp_path, "t,y\na,1\n", "t,value\nb,2\n")


def test_a_cell_of_a_later_file_is_refused_with_its_own_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"/b\.csv row 3, column 'y': not a finite number: 'many'"):
        several(tmp_path, "t,y\na,1\n", "t,y\nb,2\nc,many\n")


def test_several_files_without_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        several(tmp_path, "t,y\n", "t,y\n\n")
    assert str(raised.value) == f"{tmp_path} (2 files): no rows. Expected at least one."


def test_words_that_pandas_takes_for_missing_stay_text(read: Read) -> None:
    assert read("t,y\nNA,1\nnull,2\n")["t"].tolist() == ["NA", "null"]


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("t,y\na,1\nb,many\nc,3\n", 3),
        ("t,y\na,1\n\n\nb,many\n", 5),
        ('t,y\n"a, ""b""",1\n"c,d","many"\n', 3),
        ("t,y\r\na,1\r\nb,many\r\n", 3),
        ("t,y\na,1\n,\nb,many\n", 4),
    ],
    ids=["plain", "after blank lines", "quoted", "crlf", "after an empty row"],
)
def test_text_among_the_numbers_is_refused_with_its_row(read: Read, content: str, row: int) -> None:
    message = refusal(read, content)

    assert f"a.csv row {row}, column 'y': not a finite number: 'many' (1 such cell)." in message


def test_every_cell_that_is_no_number_is_counted(read: Read) -> None:
    message = refusal(read, "t,y\na,1\nb,x\nc,nan\nd,NaN\ne,1_000\nf,0x10\n")

    assert "row 3, column 'y': not a finite number: 'x' (5 such cells)" in message


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "1e400", "-1e400", "1e39", "-1e39", "3.4e38"])
def test_a_number_that_no_float32_holds_is_refused_with_its_row(read: Read, cell: str) -> None:
    """Networks work in float32, whose largest number is about 3.4e38."""
    message = refusal(read, f"t,y\na,1\nb,{cell}\nc,2\n")

    assert f"a.csv row 3, column 'y': not a finite number: '{cell}' (1 such cell)." in message


def test_large_and_tiny_numbers_are_taken(read: Read) -> None:
    assert read("t,y\na,2.9e38\nb,-2.9e38\nc,1e-30\n")["y"].tolist() == [2.9e38, -2.9e38, 1e-30]


def test_a_huge_cell_is_shortened_in_the_message(read: Read) -> None:
    message = refusal(read, f"t,y\na,1\nb,{'x' * 3_000_000}\n")

    assert f"row 3, column 'y': not a finite number: '{'x' * 56}... (1 such cell)." in message


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("t,y\na,1\nb,2,3\nc,4\n", 3),
        ("t,y\na,1\nb,2,\n", 3),
        ("t,y\na,1\n\nb,2,3\n", 4),
        ('t,y\n"a\na",1\nb,2,3\n', 3),
        ("t,y\na,1,2\nb,2\n", 2),
        ("t,y\na,1,2\nb,2,3\n", 2),
    ],
    ids=["plain", "trailing separator", "after a blank line", "after a quoted line break", "the first", "all"],
)
@pytest.mark.filterwarnings("ignore:Length of header")  # it tells of lost data, and no row
def test_a_row_with_too_many_fields_is_refused_with_its_number(read: Read, content: str, row: int) -> None:
    assert re.search(rf"\b(row|line) {row}\b", refusal(read, content))


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("content", "row", "found", "width", "count"),
    [
        ("t,y\na,1\nb\nc,3\n", 3, 1, 2, 1),
        ("t,y\na\nb,1\n", 2, 1, 2, 1),
        ("t,y\na,1\n\nb\nc\n", 4, 1, 2, 2),
        ('t,y\n"a\na",1\nb\n', 3, 1, 2, 1),
        ("t,y,other,more\na,1,x,x\nb,2\n", 3, 2, 4, 1),
        ("t,y\nwhole;row\n", 2, 1, 2, 1),
    ],
    ids=["plain", "the first", "after a blank line", "after a quoted line break", "columns not asked for", "separator"],
)
def test_a_row_with_too_few_fields_is_refused_with_its_number(
    read: Read, content: str, row: int, found: int, width: int, count: int
) -> None:
    message = refusal(read, content)

    assert f"a.csv row {row}: {found} fields, but the header has {width} ({count_of(count, 'such rows')})." in message


def test_empty_fields_are_no_missing_fields(read: Read) -> None:
    frame = read("t,other,y\na,,\n,,2\n\n,,\nb,x,3\n")

    assert frame.index.tolist() == [2, 3, 6]
    assert frame["t"].isna().tolist() == [False, True, False]
    assert frame["y"].isna().tolist() == [True, False, False]


def test_named_marks_are_missing_numbers_and_no_others(read: Read) -> None:
    content = "t,y\nNA,1\nb,NA\nc, -\n-,2\n"
    frame = read(content, missing=["NA", "-"])

    assert frame["t"].tolist() == ["NA", "b", "c", "-"]
    assert frame["y"].isna().tolist() == [False, True, True, False]
    told = "a.csv row 3, column 'y': not a finite number: 'NA' (2 such cells). Fix it or leave it empty; if it"
    assert told in refusal(read, content)
    assert "row 4" in refusal(read, content, missing=["NA"])


def test_marks_are_empty_cells_in_columns_that_are_named(read: Read) -> None:
    frame = read("t,y\nNA,1\nb,NA\n - ,\nnone,2\n", missing=["NA", "-"], missing_in=["t", "other"])

    assert frame["t"].fillna("").tolist() == ["", "b", "", "none"]
    with pytest.raises(ValidationError, match="missing_in names columns, but missing names no texts"):
        read("t,y\nNA,1\n", missing_in=["t"])


def test_a_missing_column_is_refused_with_those_that_are_there(read: Read) -> None:
    assert "no column 'y'. Columns: 't', 'value'." in refusal(read, "t,value\na,1\n")


def test_the_wrong_separator_shows_in_the_columns(read: Read) -> None:
    remedy = " If these are several columns, set the source's separator."
    assert f"no columns 't', 'y'. Columns: 't;y'.{remedy}" in refusal(read, "t;y\na;1\n")
    assert refusal(read, "whole\na\n").endswith("no columns 't', 'y'. Columns: 'whole'.")


def test_another_separator_is_taken(read: Read) -> None:
    assert list(read("t;y\na,b;1\n", separator=";").loc[2]) == ["a,b", 1]
    assert list(read("t\ty\na\t1\n", separator="\t").loc[2]) == ["a", 1]


@pytest.mark.parametrize("name", ["a.tsv", "A.TSV.gz"])
def test_a_name_may_tell_that_tabs_separate(read: Read, name: str) -> None:
    content = b"t\ty\na,b\t1\n"

    assert list(read(gzip.compress(content) if name.endswith("gz") else content, name).loc[2]) == ["a,b", 1]
    assert Csv(kind="csv", path=name, separator=",").separator == ","
    assert Csv.model_validate(Csv(kind="csv", path=name).model_dump()).separator == "\t"


@pytest.mark.parametrize("separator", ["", ";;", '"', "\n", "\r", "\\t"])
def test_what_cannot_separate_is_refused_by_the_settings(separator: str) -> None:
    with pytest.raises(ValidationError, match="separator"):
        Csv(kind="csv", path="a.csv", separator=separator)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", ".", "\\", "^", "$"])
def test_any_other_character_separates(read: Read, separator: str) -> None:
    assert list(read(f"t{separator}y\na{separator}1\n", separator=separator).loc[2]) == ["a", 1]


def test_an_empty_file_is_refused(read: Read) -> None:
    assert "the file is empty" in refusal(read, "")


@pytest.mark.parametrize("content", ["t,y\n", "t,y", "t,y\n\n\n", "t,y\n,\n"])
def test_a_header_alone_is_refused(read: Read, content: str) -> None:
    assert ": no rows" in refusal(read, content)


@pytest.mark.fault(25)
def test_a_decimal_comma_is_refused_with_the_setting_that_takes_it(read: Read) -> None:
    message = refusal(read, "t;y\na;1,5\nb;2\n", separator=";")

    assert (
        "row 2, column 'y': not a finite number: '1,5' (1 such cell). "
        "If commas are decimal marks, set the source's decimal = ','." in message
    )


def test_a_decimal_comma_is_taken_where_the_settings_say_so(read: Read) -> None:
    frame = read("t;y\na;1,5\nb;-0,25\nc;\n", separator=";", decimal=",")

    assert frame["y"].iloc[:2].tolist() == [1.5, -0.25]
    assert np.isnan(frame["y"].iloc[2])
    assert read('t,y\na,"2,5"\n', decimal=",")["y"].tolist() == [2.5]


def test_the_wrong_encoding_is_refused(read: Read) -> None:
    latin = "t,y\nCafé,1\n".encode("latin-1")

    assert "a.csv row 2: not utf-8. Set the source's encoding." in refusal(read, latin)
    assert read(latin, encoding="latin-1")["t"].tolist() == ["Café"]


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("é,t,y\nx,a,1\n", 1),
        ("t,y\na,1\n\né,1\nü,1\n", 4),
        ("t,y\r\na,1\r\né,1\r\n", 3),
        ("t,y\n" + "a,1\n" * 100_000 + "é,1\n", 100_002),
    ],
    ids=["header", "after a blank line", "crlf", "a late row"],
)
def test_the_wrong_encoding_is_refused_with_its_row(read: Read, content: str, row: int) -> None:
    latin = content.encode("latin-1")

    assert f"a.csv row {row}: not utf-8." in refusal(read, latin)
    assert f"a.csv.gz row {row}: not utf-8." in refusal(read, gzip.compress(latin), "a.csv.gz")


@pytest.mark.parametrize("cell", [b"x" * 9_000_000, b'"' + b"x\n" * 4_500_000])
def test_what_is_not_in_the_encoding_may_stand_in_a_cell_that_is_too_long(read: Read, cell: bytes) -> None:
    assert "a.csv row 3: " in refusal(read, b"t,y\na,1\n" + cell + b"\xff,1\n")


def test_a_column_without_a_name_has_the_one_that_pandas_gives_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",y,\na,1,b\n")

    frame = Csv(kind="csv", path="a.csv").read([path], ["Unnamed: 0", "Unnamed: 2"], ["y"]).frame

    assert frame.to_dict("list") == {"Unnamed: 0": ["a"], "Unnamed: 2": ["b"], "y": [1.0]}


@pytest.mark.parametrize("encoding", ["utf-9", "rot13", "undefined", "a\0", ""])
def test_an_unknown_encoding_is_refused(read: Read, encoding: str) -> None:
    assert f"unknown encoding {encoding!r}" in refusal(read, "t,y\na,1\n", encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(read: Read, encoding: str) -> None:
    assert list(read(b"\xef\xbb\xbft,y\na,1\n", encoding=encoding).loc[2]) == ["a", 1]


def test_utf_16_is_read(read: Read) -> None:
    assert list(read("t,y\nCafé,1\n".encode("utf-16"), encoding="utf-16").loc[2]) == ["Café", 1]


@pytest.mark.fault(31)
def test_a_quote_that_is_never_closed_is_refused_with_its_row(read: Read) -> None:
    for content in ('t,y\na,1\n"b,2\nc,3\n', 't,y\na,1\nb,"2', 't,y\n"a\n\nb",1\nb,"2\n'):
        assert "a.csv row 3: a quote that is never closed. Close it, or remove it." in refusal(read, content)


@pytest.mark.fault(31)
def test_a_column_that_stands_there_twice_is_refused_unless_nobody_asks_for_it(read: Read) -> None:
    assert "a.csv: columns 2 and 3 are both named 'y'. Rename one of them." in refusal(read, "t,y,y\na,1,2\n")
    assert "a.csv: no column 'y'. Columns: 't', 'x', 'x'." in refusal(read, "t,x,x\na,1,2\n")
    assert read("t,x,y,x,,\na,1,2,3,,\n")["y"].tolist() == [2]


def test_a_byte_order_mark_before_a_quote_is_no_part_of_the_first_column(read: Read) -> None:
    assert list(read(b'\xef\xbb\xbf"t",y\na,1\n').loc[2]) == ["a", 1]


@pytest.mark.fault(25)
@pytest.mark.parametrize(("before", "row"), [("", 1), ("t,y\na,1\n", 3)])
def test_a_cell_of_millions_of_characters_is_refused_with_its_row(read: Read, before: str, row: int) -> None:
    message = refusal(read, f"{before}{'x' * 10_000_000},1\n")
    assert f"a.csv row {row}: a cell of more than 8,388,608 characters. Shorten it." in message


def test_a_header_of_many_or_long_names_is_shortened_in_the_message(read: Read) -> None:
    message = refusal(read, f"t,{'x' * 10_000}{',z' * 10_000}\n")
    assert len(message) < 1000
    assert message.endswith(", 'z', 'z', ….")


@pytest.mark.fault(25)
def test_a_nul_byte_in_a_text_is_refused_with_its_row(read: Read) -> None:
    assert "row 3, column 't': a NUL byte (1 such cell). Fix it" in refusal(read, "t,y\na,1\nb\0c,2\n")


@pytest.mark.fault(25)
def test_utf_16_without_a_mark_is_told_by_its_header(read: Read) -> None:
    message = refusal(read, "t,y\na,1\n".encode("utf-16-le"))
    assert message.endswith("Columns: 't\\x00', '\\x00y\\x00'. If this is UTF-16, set the source's encoding.")


@pytest.mark.fault(25)
@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_rows_are_counted_whatever_ends_a_line(read: Read, end: str) -> None:
    assert "a.csv row 3, column 'y': not a finite number: 'many'" in refusal(read, f"t,y{end}a,1{end}b,many{end}")


@pytest.mark.fault(25)
def test_a_nul_byte_among_the_numbers_is_refused_with_its_row(read: Read) -> None:
    assert "row 3, column 'y'" in refusal(read, b"t,y\na,1\nb,2\x00\n")


def test_a_compressed_file_is_read(read: Read) -> None:
    frame = read(gzip.compress(b"t,y\na,1\n\nb,2\n", mtime=0), "a.csv.gz")

    assert frame.index.tolist() == [2, 4]
    assert frame["y"].tolist() == [1, 2]
    assert "a.csv.gz row 3, column 'y'" in refusal(read, gzip.compress(b"t,y\na,1\nb,x\n", mtime=0), "a.csv.gz")


PACKED = gzip.compress(b"t,y\n" + b"".join(b"a%d,%d\n" % (at, at * at % 977) for at in range(20_000)), mtime=0)


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "content",
    [
        PACKED[: len(PACKED) // 2],
        PACKED[:-4],
        PACKED[:5],
        b"t,y\na,1\n",
        PACKED[:-8] + bytes(8),
        PACKED[:3000] + b"\xff" * 50 + PACKED[3050:],
        PACKED + b"left over",
    ],
    ids=["half", "without its last bytes", "only its first bytes", "plain text", "wrong sum", "damaged", "more behind"],
)
def test_what_is_not_a_whole_gzip_file_is_refused(read: Read, content: bytes) -> None:
    assert "a.csv.gz: not a complete gzip file (" in refusal(read, content, "a.csv.gz")


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_compressed_file_is_refused(read: Read, content: bytes) -> None:
    assert "the file is empty" in refusal(read, content, "a.csv.gz")


def test_a_point_among_decimal_commas_is_refused(read: Read) -> None:
    message = refusal(read, "t;y\na;1,5\nb;1.234\n", separator=";", decimal=",")
    assert "row 3, column 'y': not a finite number: '1.234'" in message


@pytest.mark.parametrize("separator", [",", ";"])
def test_the_wrong_encoding_behind_cells_of_several_lines_is_refused_with_the_row_as_a_spreadsheet_counts_it(
    read: Read, separator: str
) -> None:
    content = f't{separator}y\n"a\n\nb"{separator}1\n"c\nd é"{separator}2\n'.encode("latin-1")

    assert "a.csv row 3: not utf-8." in refusal(read, content, separator=separator)


def test_a_long_text_is_read_whole(read: Read) -> None:
    assert read(f"t,y\n{'a b ' * 100_000},1\n")["t"].str.len().tolist() == [400_000]


AROUND = {"skip_rows": 1, "comment": "#", "strip": True, "footer": ["Total", "Source: us"]}


def test_rows_around_the_data_are_left_out_under_the_row_numbers_of_the_file(read: Read) -> None:
    frame = read("Report\n\nt , y\n# a, b, c\n a,1\nTotal,9\n\nb , 2\nTotal,12\nSource: us\n", **AROUND)

    assert frame["t"].tolist() == ["a", "Total", "b"]  # a row of totals in the middle is no footer
    assert frame["y"].tolist() == [1, 9, 2]
    assert frame.index.tolist() == [5, 6, 8]
    assert read("Report\nt,y\na,1\nb,2\n", **AROUND)["y"].tolist() == [1, 2]
    assert "row 4, column 'y': not a finite number: 'many'" in refusal(read, "Report\nt,y\na,1\nb,many\n", **AROUND)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quotes_in_comments_have_no_meaning_and_rows_keep_their_numbers(read: Read, end: str) -> None:
    lines = ['# made by "us', "t,y", "a,1", '# he said,"b', 'c,"3"', ' #",', "d,4", '"e",5']
    frame = read(end.join([*lines, ""]), comment="#")

    assert frame["t"].tolist() == ["a", "c", "d", "e"]
    assert frame["y"].tolist() == [1, 3, 4, 5]
    assert frame.index.tolist() == [3, 5, 7, 8]
    assert "row 9, column 'y': not a finite number: 'many'" in refusal(read, end.join([*lines, "f,many"]), comment="#")


def test_text_in_quotes_and_text_behind_a_cell_are_no_comments(read: Read) -> None:
    frame = read('t,y\n"a\n# not left out, ""b""",1\n"#c",2\nd #,3\n', comment="#")

    assert frame["t"].tolist() == ['a\n# not left out, "b"', "#c", "d #"]
    assert "row 2, column 'y': not a finite number: '1 # note'" in refusal(read, "t,y\na,1 # note\n", comment="#")
    assert read("t\ty\n#a\t1\n\t2\nb\t3\n", separator="\t", comment="#")["y"].tolist() == [2, 3]


def test_comments_may_stand_in_a_header_and_above_what_is_wrong(read: Read) -> None:
    content = 't,y\n# names,"\na,b\nx,1\n'

    assert refusal(read, content, comment="#", header_rows=2).endswith("Columns: 't a', 'y b'.")
    assert "row 4: a quote that is never closed" in refusal(read, 't,y\n# "\na,1\n"b,2\n', comment="#")
    assert "row 4: not utf-8" in refusal(read, 't,y\n# "\na,1\né,2\n'.encode("latin-1"), comment="#")
    assert read('t,y\n# é,"\nü,1\n'.encode("utf-16"), comment="#", encoding="utf-16")["t"].tolist() == ["ü"]


def test_a_footer_is_a_whole_first_cell_of_few_rows(read: Read) -> None:
    assert read("t,y\na,1\nTotal UK,2\nTotal,3\n", footer=["Total"])["y"].tolist() == [1, 2]
    assert read("t,y\na,1\n" + "Total,1\n" * 5, footer=["Total"])["y"].tolist() == [1]
    said = refusal(read, "t,y\na,1\n" + "Total,1\n" * 6, footer=["Total"])
    assert "a.csv row 3: 6 rows at the end begin like the source's footer. Expected at most 5." in said


@pytest.mark.parametrize(
    ("cell", "settings", "number"),
    [
        ("1,220.74", {"thousands": ","}, 1220.74),
        ("1,5", {"thousands": ","}, None),
        ("1,2345", {"thousands": ","}, None),
        ("-1.220,5", {"thousands": ".", "decimal": ","}, -1220.5),
        ("1.5", {"thousands": ".", "decimal": ","}, None),
        ("1\u00a0000", {"thousands": " "}, 1000),
        ("-$5", {"units": {"y": "$"}}, -5),
        ("$-5", {"units": {"y": "$"}}, -5),
        ("5 kg", {"units": {"y": "kg"}}, 5),
        ("5 kg", {"units": {"x": "kg"}}, None),
        ("5 g", {"units": {"y": "kg"}}, None),
        ("5", {"units": {"y": "kg"}}, None),
        ("−5", {}, -5),
        ("–0,5 €", {"units": {"y": "€"}, "decimal": ","}, -0.5),
        ("0,123", {"thousands": ","}, None),
        ("0.123", {"thousands": ".", "decimal": ","}, None),
        ("YES", {"values": {"y": {"yes": 1}}}, 1),
        ("YES", {"values": {"x": {"yes": 1}}}, None),
        ("maybe", {"values": {"y": {"yes": 1}}}, None),
    ],
)
def test_numbers_are_read_as_the_settings_say_or_refused(
    read: Read, cell: str, settings: dict[str, Any], number: float | None
) -> None:
    content = f"t;y\na;{cell}\n"
    if number is None:
        assert f"row 2, column 'y': not a finite number: {cell!r}" in refusal(read, content, separator=";", **settings)
    else:
        assert read(content, separator=";", **settings)["y"].tolist() == [number]


@pytest.mark.parametrize(
    ("cell", "settings", "remedy"),
    [
        ("0.5", {"units": {"y": "%"}}, "Each cell of the column must have the unit '%'."),
        ("1.5k", {}, "Convert the column in the source's prepare."),
        ("1.5 m", {}, "if 'm' is the unit of all cells, set the source's units = { y = \"m\" }."),
    ],
)
def test_the_message_says_which_setting_reads_a_cell(
    read: Read, cell: str, settings: dict[str, Any], remedy: str
) -> None:
    assert remedy in refusal(read, f"t;y\na;{cell}\n", separator=";", **settings)


def test_one_mark_is_not_both_decimal_and_between_thousands() -> None:
    with pytest.raises(ValidationError, match="two different marks"):
        Csv(kind="csv", path="a.csv", thousands=".")
