"""What the report on a series shows."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gristmill.report import Section
from gristmill.tables import read_document, write_document
from gristmill.timeseries import report

pytest_plugins = ["small_runs"]

Folders = dict[str, Path]

SVG = "{http://www.w3.org/2000/svg}"

LOADED = re.compile(r"""(?:href|src)\s*=\s*["'](?!#)|url\(\s*["']?(?!#)|@import|<script""")


def by_title(folders: Folders) -> dict[str, Section]:
    """Return the sections by title, in their order."""
    return {section.title: section for section in report.sections(folders)}


def written(element: ET.Element, fill: str = "black") -> Iterator[tuple[str, str]]:
    """Yield every text under an SVG element with its colour, which is black where nobody says another."""
    found = re.search(r"\bfill: ([^;]+)", element.get("style") or "")
    fill = found[1] if found else element.get("fill", fill)
    if element.tag in (f"{SVG}text", f"{SVG}tspan") and (element.text or "").strip():
        yield element.text or "", fill
    for inner in element:
        yield from written(inner, fill)


@pytest.fixture(scope="module")
def of_training(trained: Folders) -> dict[str, Section]:
    return by_title(trained)


def test_a_run_with_epochs_has_all_sections(of_training: dict[str, Section]) -> None:
    assert list(of_training) == ["Scores", "Forecast and truth", "Residuals", "Training", "Data"]
    assert [len(section.pictures) for section in of_training.values()] == [0, 1, 1, 1, 1]


def test_pictures_need_nothing_from_outside_and_take_the_colour_of_the_page(of_training: dict[str, Section]) -> None:
    for section in of_training.values():
        for picture in section.pictures:
            assert ET.fromstring(picture).tag == f"{SVG}svg"  # noqa: S314  # our own
            assert {fill for _, fill in written(ET.fromstring(picture))} == {"currentColor"}  # noqa: S314  # our own
            assert "#010203" not in picture
            assert not LOADED.search(picture)
            assert "<dc:date>" not in picture


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Forecast and truth", {"truth", "model"}),
        ("Training", {"training loss", "validation loss", "kept"}),
        ("Data", {"train", "validation", "test"}),
    ],
)
def test_legends_name_the_lines_in_the_colour_of_the_page(
    of_training: dict[str, Section], title: str, names: set[str]
) -> None:
    (picture,) = of_training[title].pictures
    fills = dict(written(ET.fromstring(picture)))  # noqa: S314  # our own

    assert {name: fills.get(name) for name in names} == dict.fromkeys(names, "currentColor")


def test_a_run_without_validation_has_the_test_table_alone(solved: Folders, tmp_path: Path) -> None:
    scores = read_document(solved["evaluate"] / "scores.json")
    for by_part in (scores["model"], *scores["baselines"].values()):
        del by_part["validation"]
    write_document(tmp_path / "scores.json", scores)
    (tmp_path / "predictions.parquet").write_bytes((solved["evaluate"] / "predictions.parquet").read_bytes())

    shown = by_title(solved | {"evaluate": tmp_path})

    assert [table.title for table in shown["Scores"].tables] == ["Test part"]


def test_the_data_note_says_what_was_repaired() -> None:
    counts = {"rows": 1234, "interpolated": 3, "empty_at_the_ends": 0, "out_of_order": 2}

    assert report.data_note({"counts": counts, "target": "y", "frequency": "D"}) == (
        "1,234 observations of y, frequency D; 3 missing values were interpolated, 2 rows stood out of order."
    )


def test_scores_list_the_model_first_and_the_baselines_from_the_best_on(
    of_training: dict[str, Section], trained: Folders
) -> None:
    scores = read_document(trained["evaluate"] / "scores.json")

    tables = {table.title: table for table in of_training["Scores"].tables}

    assert list(tables) == ["Test part", "Validation part"]
    test = tables["Test part"]
    assert test.headings == ["forecast", "MAE", "RMSE", "MAPE %", "MASE", "skill"]
    names = [row[0] for row in test.rows]
    assert names[0] == "model"
    assert names[1:] == sorted(scores["baselines"], key=lambda name: scores["baselines"][name]["test"]["mae"])
    for name, row in zip(names, test.rows, strict=True):
        values = scores["model"]["test"] if name == "model" else scores["baselines"][name]["test"]
        assert [float(cell) for cell in row[1:5]] == pytest.approx(
            [values[metric] for metric in ("mae", "rmse", "mape", "mase")], rel=1e-3
        )
        assert float(row[5].rstrip("%")) == pytest.approx(100 * values["skill"], abs=0.1)


@pytest.mark.parametrize(
    ("model", "skill", "said"),
    [
        (9.0, 0.1, "The model beats its best baseline, naive, on the test part: MAE 9 against 10 (+10.0%)"),
        (12.5, -0.25, "The model does not beat its best baseline, naive, on the test part: MAE 12.5 against 10 (-25"),
        (10.0, 0.0, "does not beat"),
        (0.0, None, "does not beat"),  # the baseline is perfect
    ],
)
def test_the_verdict_says_how_the_model_stands(model: float, skill: float | None, said: str) -> None:
    scores = {
        "best_baseline": "naive",
        "headline": {"metric": "mae", "model": model, "baseline": 10.0},
        "model": {"test": {"mae": model, "skill": skill}},
    }

    assert said in report.verdict(scores)


def test_the_training_note_names_the_kept_epoch() -> None:
    ended = {"best_epoch": 4, "epochs": 9, "stopped_early": True}

    assert report.training_note(ended) == (
        "Training stopped by its validation loss: 9 epochs, the weights of epoch 4 were kept."
    )
    assert "ran all its epochs: 9 epochs" in report.training_note(ended | {"stopped_early": False})


def test_the_data_table_has_a_row_a_part(of_training: dict[str, Section]) -> None:
    (table,) = of_training["Data"].tables

    assert [row[:5] for row in table.rows] == [
        ["train", "140", "127", "1749-01-01", "1760-08-01"],
        ["validation", "30", "29", "1760-09-01", "1763-02-01"],
        ["test", "30", "29", "1763-03-01", "1765-08-01"],
    ]
    assert "200 observations of sunspots, frequency MS; no value was missing, 0 rows stood out of order." in (
        of_training["Data"].note
    )


def test_a_model_in_closed_form_has_no_course_to_show_and_a_missing_score_is_a_dash(
    solved: Folders, tmp_path: Path
) -> None:
    folders = solved | {"evaluate": tmp_path}
    scores = read_document(solved["evaluate"] / "scores.json")
    scores["model"]["test"] |= {"mape": None, "mase": None}
    write_document(tmp_path / "scores.json", scores)
    (tmp_path / "predictions.parquet").write_bytes((solved["evaluate"] / "predictions.parquet").read_bytes())

    shown = by_title(folders)

    assert list(shown) == ["Scores", "Forecast and truth", "Residuals", "Data"]
    (test,) = (table for table in shown["Scores"].tables if table.title == "Test part")
    assert test.rows[0][3:5] == ["–", "–"]


def test_the_headline_picture_is_a_png_of_the_evaluation_alone(solved: Folders) -> None:
    picture = report.headline_picture({"evaluate": solved["evaluate"]})

    assert picture.startswith(b"\x89PNG\r\n\x1a\n")


def test_the_series_is_drawn_without_the_parts_that_are_empty(prepare: Callable[..., Path]) -> None:
    from gristmill.timeseries import prepared

    values = np.random.default_rng(0).normal(size=60)
    data = prepared.read(prepare(values, history=6, validation=0, test=20))

    figure = report.series_figure(data)

    assert [line.get_label() for line in figure.axes[0].lines] == ["train", "test"]
    drawn = np.concatenate([np.asarray(line.get_ydata()) for line in figure.axes[0].lines])
    assert drawn == pytest.approx(values, rel=1e-6)
