"""A table is read by the roles of its columns; only rows without a target are left out, and counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

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


def test_empty_cells_are_kept_and_rows_without_a_target_are_counted(tmp_path: Path) -> None:
    counts, out = run(tmp_path, ROWS + "Bonn,10,red,\n")

    table = read_table(out / "table.parquet")
    assert counts == {"rows": 4, "without_target": 1}
    assert table.columns.tolist() == ["area", "town", "price"]  # the colour is nobody's
    assert table["area"].fillna(-1).tolist() == [50, 80, -1, 70]
    assert table["town"].tolist() == ["Ulm", "Köln", "Ulm", ""]
    assert table["area"].dtype == table["price"].dtype == np.float64
    assert read_document(out / "summary.json")["missing"] == {"price": 0, "area": 1, "town": 1}


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_table_without_a_target_is_refused(tmp_path: Path, task: str) -> None:
    with pytest.raises(
        DataError, match=r"houses\.csv: the target 'price' is empty in all 2 rows\. Fill it, or name another"
    ):
        run(tmp_path, "town,area,price\nUlm,1,\nBonn,2,\n", task=task)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,dear\n2,cheap", r"row 2, column 'price': .*'dear'.* If the target is a class, set ingest\.task = "),
        (
            "Ulm,1\nKiel,2",
            r"row 2, column 'area': .*'Ulm'.* If the column holds names, list it in ingest\.categories\.",
        ),
        ("1,2\n3,inf\n5,4", r"row 3, column 'price': not a finite number: 'inf' .* add it to the source's missing\.$"),
    ],
)
def test_numbers_that_may_be_names_are_told(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(tmp_path, f"area,price\n{rows}\n", categories=[])


def test_classes_are_text_in_natural_order(tmp_path: Path) -> None:
    text = "area,floor,day,note,set\n1,10,2024-03-01,old,train\n,2,,,test\n3,,2024-03-02,x,train\n4,10,,y,\n"
    roles = {"numbers": "area", "categories": [], "dates": "day", "texts": "note", "part": "set"}
    counts, out = run(tmp_path, text, target="floor", task="classification", **roles)

    summary = read_document(out / "summary.json")
    assert counts == {"rows": 3, "without_target": 1, "classes": 2}
    assert (summary["classes"], summary["class_counts"]) == (["2", "10"], {"2": 1, "10": 2})
    table = read_table(out / "table.parquet")
    assert table[["day", "note", "floor", "set"]].to_numpy().tolist() == [
        ["2024-03-01", "old", "10", "train"],
        ["", "", "2", "test"],
        ["", "y", "10", ""],
    ]


def test_inputs_with_names_of_predictions_are_refused(tmp_path: Path) -> None:
    assert Ingest(target="y", numbers=("set",)).numbers == ("set",)  # which only predictions of classes have
    with pytest.raises(ValidationError, match=r"names that predictions do not use: rename 'set' in source.prepare"):
        Ingest(target="y", task="classification", numbers=("x", "set"))
    with pytest.raises(DataError, match=r"houses.csv: column 'p_a' has the name of the probability of .*'a'"):
        run(tmp_path, "p_a,y\n1,a\n2,b\n", target="y", task="classification", numbers="p_a", categories=[])


@pytest.mark.parametrize("day", ["1.3.2024", "2024-02-30", "2024-03", "2024-01-10T25:10"])
def test_a_date_of_another_form_is_named_with_its_row(tmp_path: Path, day: str) -> None:
    with pytest.raises(DataError, match=r"houses\.csv row 3, column 'day': '.*' is not an ISO date \(1 of 2 cells\)"):
        run(tmp_path, f"day,price\n2024-03-01T10:30,1\n{day},2\n", numbers=[], categories=[], dates="day")


def test_a_part_of_another_name_is_named_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 2, column 'set': 'training'\. Expected one of train, validation"):
        run(tmp_path, "town,area,price,set\nUlm,1,2,training\n", part="set")


def test_numbers_that_are_infinite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"houses\.csv row 2, column 'area'.*inf"):
        run(tmp_path, "town,area,price\nUlm,inf,2\n")


def test_the_summary_counts_and_describes(tmp_path: Path) -> None:
    _, out = run(tmp_path, "town,area,price\nUlm,50,100\nKöln,80,300\nUlm,110,200\n")

    assert read_document(out / "summary.json") == {
        "target": "price",
        "numbers": ["area"],
        "categories": ["town"],
        "dates": [],
        "texts": [],
        "part": None,
        "classes": [],
        "class_counts": {},
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
        meaning = Ingest(target="price", categories=("district",))
        ingest(source=Parquet(kind="parquet", path="x"), ingest=meaning, out=out, paths=(file,))
        names.append(read_table(out / "table.parquet")["district"].tolist())

    assert names == [["1", "2", "3"], ["1", "2", ""]]


def test_a_source_without_files_needs_none(tmp_path: Path) -> None:
    meaning = Ingest(target="y", numbers=("x",))

    ingest(source=Inline(kind="inline", x=(1, 2), y=(3, 4)), ingest=meaning, out=tmp_path)

    assert read_table(tmp_path / "table.parquet").to_numpy().tolist() == [[1, 3], [2, 4]]
