"""A table is read whole; rows with an empty cell are refused by name, or dropped and counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.settings import Ingest
from gristmill.errors import DataError
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.inline import Inline
from gristmill.sources.tables.parquet import Parquet
from gristmill.util.table_io import read_document, read_table

MEANING = {"target": "price", "numbers": "area", "categories": "town"}
ROWS = "town,area,colour,price\nUlm,50,red,100\nKöln,80,,300\nUlm,,blue,120\n,70,red,200\n"


def run(tmp_path: Path, text: str, **settings: Any) -> tuple[dict[str, int], Path]:
    """Return the counts and the folder of an ingested CSV file."""
    file, out = tmp_path / "houses.csv", tmp_path / "out"
    file.write_text(text)
    out.mkdir()
    meaning = Ingest.model_validate(MEANING | settings)
    return ingest(source=Csv(kind="csv", path="houses.csv"), ingest=meaning, out=out, paths=(file,)), out


def test_rows_with_an_empty_cell_are_dropped_and_counted_where_asked(tmp_path: Path) -> None:
    counts, out = run(tmp_path, ROWS, missing="drop")

    table = read_table(out / "table.parquet")
    assert counts == {"rows": 2, "dropped": 2}
    assert table.columns.tolist() == ["area", "town", "price"]  # the empty colour is nobody's
    assert table.to_numpy().tolist() == [[50.0, "Ulm", 100.0], [80.0, "Köln", 300.0]]
    assert table["area"].dtype == table["price"].dtype == np.float64


def test_the_first_empty_cell_is_named_with_its_row(tmp_path: Path) -> None:
    message = r"houses\.csv row 4: column 'area' is empty \(2 rows have an empty cell\)\. .*missing = 'drop'"
    with pytest.raises(DataError, match=message):
        run(tmp_path, ROWS)


def test_a_table_without_a_whole_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"houses\.csv: each of the 1 rows has an empty cell"):
        run(tmp_path, "town,area,price\n,1,2\n", missing="drop")


def test_the_summary_counts_and_describes(tmp_path: Path) -> None:
    _, out = run(tmp_path, "town,area,price\nUlm,50,100\nKöln,80,300\nUlm,110,200\n")

    assert read_document(out / "summary.json") == {
        "target": "price",
        "numbers": ["area"],
        "categories": ["town"],
        "counts": {"rows": 3},
        "missing": {"town": 0, "area": 0, "price": 0},
        "statistics": {
            "price": {
                "mean": 200,
                "deviation": pytest.approx(np.sqrt(20000 / 3)),
                "min": 100,
                "median": 200,
                "max": 300,
            },
            "area": {"mean": 80, "deviation": pytest.approx(np.sqrt(600)), "min": 50, "median": 80, "max": 110},
        },
        "names": {"town": {"different": 2, "most_frequent": {"Ulm": 2, "Köln": 1}}},
    }


def test_integers_of_a_category_are_named_alike_with_and_without_an_empty_cell_beside_them(tmp_path: Path) -> None:
    names = []
    for at, districts in enumerate([[1, 2, 3], [1, 2, None]]):
        file, out = tmp_path / f"{at}.parquet", tmp_path / str(at)
        pd.DataFrame({"district": pd.array(districts, "Int64"), "price": [1.0, 2.0, 3.0]}).to_parquet(file)
        out.mkdir()
        meaning = Ingest(target="price", categories=("district",), missing="drop")
        ingest(source=Parquet(kind="parquet", path="x"), ingest=meaning, out=out, paths=(file,))
        names.append(read_table(out / "table.parquet")["district"].tolist())

    assert names == [["1", "2", "3"], ["1", "2"]]


def test_a_source_without_files_needs_none(tmp_path: Path) -> None:
    meaning = Ingest(target="y", numbers=("x",))

    ingest(source=Inline(kind="inline", x=(1, 2), y=(3, 4)), ingest=meaning, out=tmp_path)

    assert read_table(tmp_path / "table.parquet").to_numpy().tolist() == [[1, 3], [2, 4]]
