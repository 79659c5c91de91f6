"""Where rows stand, as messages say it."""

from pathlib import Path

import pandas as pd
import pytest

from gristmill.errors import DataError
from gristmill.sources.rows import Rows, check_columns, read_all, relative_names

ONE = pd.DataFrame({"y": [1.0, 2.0]}, index=[2, 5])
OTHER = pd.DataFrame({"y": [3.0, 4.0]}, index=[2, 3])
SEVERAL = {Path("/data/a.csv"): ONE, Path("/data/empty.csv"): ONE[:0], Path("/data/in/b.csv"): OTHER}


def test_a_row_of_one_file_is_named_by_file_and_row() -> None:
    rows = read_all([Path("/data/a.csv")], lambda path: ONE)
    assert (rows.name, rows.where(0), rows.where(1)) == ("/data/a.csv", "/data/a.csv row 2", "/data/a.csv row 5")
    assert rows.where(0, 1) == "/data/a.csv rows 2 and 5"


def test_rows_of_several_files_are_named_by_their_own_file() -> None:
    rows = read_all([*SEVERAL], SEVERAL.__getitem__)
    assert rows.frame["y"].tolist() == [1, 2, 3, 4]
    assert rows.name == "/data (3 files)"
    assert [rows.where(at) for at in range(4)] == [
        "/data/a.csv row 2",
        "/data/a.csv row 5",
        "/data/in/b.csv row 2",
        "/data/in/b.csv row 3",
    ]
    assert rows.where(0, 2) == "/data/a.csv row 2 and /data/in/b.csv row 2"
    assert rows.where(2, 3) == "/data/in/b.csv rows 2 and 3"


def test_files_without_a_row_are_rejected() -> None:
    with pytest.raises(DataError, match=r"^/data/a\.csv: no rows\. Expected at least one\.$"):
        read_all([Path("/data/a.csv")], lambda path: ONE[:0])


def test_rows_that_were_made_up_are_named_so() -> None:
    rows = Rows(pd.DataFrame({"y": [1.0, 2.0]}))
    assert (rows.name, rows.where(1)) == ("the synthetic series", "the synthetic series row 1")


def test_a_missing_column_is_told_with_those_that_are_there() -> None:
    check_columns("a.csv", ["t", "y"], ["y", "x", "t"])
    with pytest.raises(DataError, match=r"^a\.csv: no column 'z'\. Columns: 't', 'y'\.$"):
        check_columns("a.csv", ["t", "z"], ["t", "y"])
    with pytest.raises(DataError, match=r"^a\.csv: no columns 'a', 'Y'\. Did you mean 'y'\? Columns: 't', 'y'\.$"):
        check_columns("a.csv", ["t", "a", "Y"], ["t", "y"])
    with pytest.raises(DataError, match=r"^a\.csv: columns 1 and 3 are both named 't'\. Rename one of them\.$"):
        check_columns("a.csv", ["t"], ["t", "y", "t"])


def test_rows_that_are_whole_files_are_named_by_them_alone() -> None:
    rows = Rows(ONE, (Path("/data/a.txt"), Path("/data/b.txt")), (0, 1), file_per_row=True)
    assert (rows.name, rows.where(1)) == ("/data (2 files)", "/data/b.txt")
    assert rows.where(0, 1) == "/data/a.txt and /data/b.txt"


def test_ids_are_short_and_do_not_tell_where_the_files_lie() -> None:
    assert read_all([Path("/data/a.csv")], lambda path: ONE).ids() == ["2", "5"]
    assert read_all([*SEVERAL], SEVERAL.__getitem__).ids() == ["a.csv 2", "a.csv 5", "in/b.csv 2", "in/b.csv 3"]
    assert Rows(OTHER, origin="the inline texts").ids() == ["2", "3"]


def test_paths_below_the_folder_that_files_share() -> None:
    assert relative_names([Path("/data/in/a.csv"), Path("/data/b.csv")]) == ["in/a.csv", "b.csv"]
    assert relative_names([Path("/data/in/a.csv")]) == ["a.csv"]
