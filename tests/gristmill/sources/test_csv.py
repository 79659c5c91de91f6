"""What a CSV file gives, and the one line that says what is wrong with it."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gristmill.errors import DataError
from gristmill.sources.csv import Csv

if TYPE_CHECKING:
    import pandas as pd

Read = Callable[..., "pd.DataFrame"]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write content to a file and return its columns t (text) and y (numbers)."""

    def call(content: str | bytes, name: str = "a.csv", **settings: Any) -> "pd.DataFrame":
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Csv(kind="csv", path=name, **settings).read(path, ["t"], ["y"])

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


def test_words_that_pandas_takes_for_missing_stay_text(read: Read) -> None:
    assert read("t,y\nNA,1\nnull,2\n")["t"].tolist() == ["NA", "null"]


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

    assert f"a.csv row {row}, column 'y': not a number: 'many' (1 such cells)." in message


def test_every_cell_that_is_no_number_is_counted(read: Read) -> None:
    message = refusal(read, "t,y\na,1\nb,x\nc,nan\nd,NaN\ne,1_000\nf,0x10\n")

    assert "row 3, column 'y': not a number: 'x' (5 such cells)" in message


def test_a_missing_column_is_refused_with_those_that_are_there(read: Read) -> None:
    assert "no column 'y'. Columns: 't', 'value'." in refusal(read, "t,value\na,1\n")


def test_the_wrong_separator_shows_in_the_columns(read: Read) -> None:
    assert "no column 't'. Columns: 't;y'." in refusal(read, "t;y\na;1\n")


def test_another_separator_is_taken(read: Read) -> None:
    assert list(read("t;y\na,b;1\n", separator=";").loc[2]) == ["a,b", 1]
    assert list(read("t\ty\na\t1\n", separator="\t").loc[2]) == ["a", 1]


def test_an_empty_file_is_refused(read: Read) -> None:
    assert "the file is empty" in refusal(read, "")


@pytest.mark.parametrize("content", ["t,y\n", "t,y", "t,y\n\n\n", "t,y\n,\n"])
def test_a_header_alone_is_refused(read: Read, content: str) -> None:
    assert "no rows below the header" in refusal(read, content)


def test_a_decimal_comma_is_refused_with_the_setting_that_takes_it(read: Read) -> None:
    message = refusal(read, "t;y\na;1,5\nb;2\n", separator=";")

    assert "row 2, column 'y': not a number: '1,5' (1 such cells). Set the source's decimal = ','." in message


def test_a_decimal_comma_is_taken_where_the_settings_say_so(read: Read) -> None:
    frame = read("t;y\na;1,5\nb;-0,25\nc;\n", separator=";", decimal=",")

    assert frame["y"].iloc[:2].tolist() == [1.5, -0.25]
    assert np.isnan(frame["y"].iloc[2])
    assert read('t,y\na,"2,5"\n', decimal=",")["y"].tolist() == [2.5]


def test_the_wrong_encoding_is_refused(read: Read) -> None:
    latin = "t,y\nCafé,1\n".encode("latin-1")

    message = refusal(read, latin)
    assert "not utf-8" in message
    assert "Set the source's encoding" in message
    assert read(latin, encoding="latin-1")["t"].tolist() == ["Café"]


def test_the_wrong_encoding_of_the_header_or_of_a_late_row_is_refused(read: Read) -> None:
    assert "not utf-8" in refusal(read, "é,t,y\nx,a,1\n".encode("latin-1"))
    assert "not utf-8" in refusal(read, ("t,y\n" + "a,1\n" * 100_000 + "é,1\n").encode("latin-1"))


@pytest.mark.parametrize("encoding", ["utf-9", "rot13"])
def test_an_unknown_encoding_is_refused(read: Read, encoding: str) -> None:
    assert f"unknown encoding '{encoding}'" in refusal(read, "t,y\na,1\n", encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(read: Read, encoding: str) -> None:
    assert list(read(b"\xef\xbb\xbft,y\na,1\n", encoding=encoding).loc[2]) == ["a", 1]


def test_utf_16_is_read(read: Read) -> None:
    assert list(read("t,y\nCafé,1\n".encode("utf-16"), encoding="utf-16").loc[2]) == ["Café", 1]


def test_a_quote_that_is_never_closed_is_refused_with_its_row(read: Read) -> None:
    assert "starting at row 2" in refusal(read, 't,y\na,1\n"b,2\nc,3\n')


def test_a_nul_byte_among_the_numbers_is_refused_with_its_row(read: Read) -> None:
    assert "row 3, column 'y'" in refusal(read, b"t,y\na,1\nb,2\x00\n")


def test_a_compressed_file_is_read(read: Read) -> None:
    frame = read(gzip.compress(b"t,y\na,1\n\nb,2\n"), "a.csv.gz")

    assert frame.index.tolist() == [2, 4]
    assert frame["y"].tolist() == [1, 2]
    assert "a.csv.gz row 3, column 'y'" in refusal(read, gzip.compress(b"t,y\na,1\nb,x\n"), "a.csv.gz")
