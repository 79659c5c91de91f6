"""What the report on tables shows."""

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest

from gristmill.domains.tabular import report
from gristmill.reports.sections import Section
from gristmill.util.table_io import read_document, read_table, write_document

Folders = dict[str, Path]

SVG = "{http://www.w3.org/2000/svg}"


def by_title(folders: Folders) -> dict[str, Section]:
    """Return the sections by title, in their order."""
    return {section.title: section for section in report.sections(folders)}


@pytest.fixture(scope="module")
def of_houses_sold(mixed: Folders) -> dict[str, Section]:
    return by_title(mixed)


@pytest.fixture(scope="module")
def of_line(line: Folders) -> dict[str, Section]:
    return by_title(line)


@pytest.mark.slow
def test_numbers_and_a_category_have_the_errors_by_category_and_no_line(of_houses_sold: dict[str, Section]) -> None:
    assert {title: len(section.pictures) for title, section in of_houses_sold.items()} == {
        "Scores": 0,
        "Truth and prediction": 1,
        "Residuals": 2,
        "Error by category": 0,
        "Worst rows": 0,
        "Importance of the features": 0,
        "Partial dependence": 1,
        "Training": 1,
        "Data": 0,
    }


def test_one_column_of_numbers_has_the_line_itself(of_line: dict[str, Section]) -> None:
    assert list(of_line) == [
        "Scores",
        "The line",
        "Truth and prediction",
        "Residuals",
        "Worst rows",
        "Training",
        "Data",
    ]
    texts = {element.text for element in ET.fromstring(of_line["The line"].pictures[0]).iter(f"{SVG}text")}  # noqa: S314  # our own
    assert {"model", "least_squares", "training", "test", "x", "y"} <= texts


def test_pictures_need_nothing_from_outside(of_houses_sold: dict[str, Section], of_line: dict[str, Section]) -> None:
    for section in [*of_houses_sold.values(), *of_line.values()]:
        for picture in section.pictures:
            assert ET.fromstring(picture).tag == f"{SVG}svg"  # noqa: S314  # our own
            assert not re.search(r"""(?:href|src)\s*=\s*["'](?!#)|@import|<script""", picture)


def test_scores_list_the_test_part_first_and_in_it_the_model(
    of_houses_sold: dict[str, Section], mixed: Folders
) -> None:
    scores = read_document(mixed["evaluate"] / "scores.json")

    tables = of_houses_sold["Scores"].tables

    assert [table.title for table in tables] == ["Test set", "Validation set", "Training set"]
    assert tables[0].headings == ["model or baseline", "MAE", "RMSE", "R²"]
    assert [row[0] for row in tables[0].rows] == ["model", "least_squares", "mean"]
    shown = [float(cell) for cell in tables[0].rows[0][1:]]
    assert shown == pytest.approx(list(scores["model"]["test"].values()), rel=1e-3)


def test_the_verdict_says_who_is_better(mixed: Folders, tmp_path: Path) -> None:
    folder = tmp_path / "evaluate"
    shutil.copytree(mixed["evaluate"], folder)
    for error, said in [
        (1.0, "The model beats its best baseline, least_squares"),
        (2.0, "The model is worse"),
    ]:
        headline = {"metric": "mae", "model": error, "baseline": 1.5}
        write_document(folder / "scores.json", read_document(folder / "scores.json") | {"headline": headline})
        assert next(report.sections(mixed | {"evaluate": folder})).note.startswith(said)


def test_a_share_that_cannot_be_computed_is_not_told(
    of_line: dict[str, Section], of_houses_sold: dict[str, Section]
) -> None:
    assert "R²" not in of_line["Scores"].note
    assert "R²" in of_houses_sold["Scores"].note
    assert of_line["Scores"].tables[0].headings[1:] == ["MAE", "RMSE"]


def test_errors_by_category_are_those_of_its_rows_in_the_test_part(
    of_houses_sold: dict[str, Section], mixed: Folders
) -> None:
    (table,) = of_houses_sold["Error by category"].tables
    predictions = read_table(mixed["evaluate"] / "predictions.parquet")
    towns = read_table(mixed["ingest"] / "table.parquet")["part"]

    assert table.title == "part"
    errors = [float(row[2]) for row in table.rows]
    assert errors == sorted(errors, reverse=True)
    for town, rows, model, baseline in table.rows:
        own = predictions[(predictions["part"] == "test") & (towns == town)]
        assert int(rows) == len(own)
        assert float(model) == pytest.approx((own["y"] - own["model"]).abs().mean(), rel=1e-3)
        assert float(baseline) == pytest.approx((own["y"] - own["least_squares"]).abs().mean(), rel=1e-3)


def test_names_that_were_not_in_training_are_marked(mixed: Folders) -> None:
    data = report.dataset.read(mixed["preprocess"])
    first = int((data.parts == "test").argmax())
    data.table.loc[first, "part"] = "Bonn"
    predictions = read_table(mixed["evaluate"] / "predictions.parquet")

    table = report.category_table(data, predictions, "part", "mean")

    assert sorted(row[0] for row in table.rows) == ["Bonn (new)", "Köln", "Ulm"]


def test_the_worst_rows_have_the_largest_errors_with_their_features(
    of_houses_sold: dict[str, Section], mixed: Folders
) -> None:
    (table,) = of_houses_sold["Worst rows"].tables
    predictions = read_table(mixed["evaluate"] / "predictions.parquet").query("part == 'test'")
    worst = (predictions["y"] - predictions["model"]).abs().nlargest(10).index

    assert table.headings[:4] == ["row", "price", "prediction", "least_squares"]
    assert [int(row[0]) - 2 for row in table.rows] == worst.tolist()  # below the header, which is row 1
    source = report.dataset.read(mixed["preprocess"]).table.loc[worst]
    assert [row[table.headings.index("part")] for row in table.rows] == source["part"].tolist()


def test_the_data_are_counted(of_houses_sold: dict[str, Section], mixed: Folders) -> None:
    section = of_houses_sold["Data"]
    parts, numbers, names = section.tables

    assert section.note == "60 rows. Features of an encoded row: 5."
    assert parts.rows == [["training", "36"], ["validation", "10"], ["test", "14"]]
    assert [row[0] for row in numbers.rows] == ["price", "area", "rooms of it"]
    counts = pd.Series(read_table(mixed["ingest"] / "table.parquet")["part"]).value_counts()
    assert names.rows == [["part", "0", "2", ", ".join(f"{name} ({count})" for name, count in counts.items())]]


def test_the_headline_picture_needs_the_evaluation_alone(mixed: Folders) -> None:
    assert report.headline_picture({"evaluate": mixed["evaluate"]}).startswith(b"\x89PNG")


def test_classes_have_the_report_of_all_classifiers(classes: Folders) -> None:
    found = by_title(classes)
    assert list(found) == [
        "Scores",
        "Confusion matrix",
        "Calibration",
        "Most confident errors",
        "Likely wrong labels",
        "Importance of the features",
        "Partial dependence",
        "Data",
    ]
    assert "The model does not read code (has a different value in each training row)." in found["Data"].note
    errors = [row[0] for row in found["Most confident errors"].tables[0].rows]
    assert all(re.match(r"late \S+, gate \S+, day \S+, note .+", text) for text in errors)
    assert report.headline_picture({"evaluate": classes["evaluate"]}).startswith(b"\x89PNG")
