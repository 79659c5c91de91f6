"""What the report on time series shows."""

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries import report
from gristmill.domains.timeseries.report import ForecastScores
from gristmill.reports.sections import Section
from gristmill.scores import Headline
from gristmill.settings.number_text import score
from gristmill.util.table_io import read_document, read_table, write_document
from helpers.small_runs import Folders, assembled

pytest_plugins = ["helpers.small_runs"]

SVG = "{http://www.w3.org/2000/svg}"

LOADED = re.compile(r"""(?:href|src)\s*=\s*["'](?!#)|url\(\s*["']?(?!#)|@import|<script""")

METRICS = ["mae", "rmse", "mape", "smape", "mase", "rmsse"]


def by_title(folders: Folders) -> dict[str, Section]:
    """Return the sections by title, in their order."""
    return {section.title: section for section in report.sections(folders)}


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pictures blank, which takes most of the time of a report."""
    monkeypatch.setattr(report, "as_svg", lambda figure, alt: "")


def written(element: ET.Element, fill: str = "black") -> Iterator[tuple[str, str]]:
    """Yield every text under an SVG element with its colour, which is black where nobody says another."""
    found = re.search(r"\bfill: ([^;]+)", element.get("style") or "")
    fill = found[1] if found else element.get("fill", fill)
    if element.tag in (f"{SVG}text", f"{SVG}tspan") and (element.text or "").strip():
        yield element.text or "", fill
    for inner in element:
        yield from written(inner, fill)


def changed(run: Folders, tmp_path: Path, **tops: Any) -> Folders:
    """Return a run whose scores have other values at the top."""
    folder = tmp_path / "evaluate"
    shutil.copytree(run["evaluate"], folder)
    write_document(folder / "scores.json", read_document(folder / "scores.json") | tops)
    return run | {"evaluate": folder}


@pytest.fixture(scope="module")
def of_training(trained: Folders) -> dict[str, Section]:
    return by_title(trained)


@pytest.fixture(scope="module")
def of_several(rolled: Folders) -> dict[str, Section]:
    return by_title(rolled)


@pytest.mark.slow
def test_a_run_with_epochs_has_all_sections(of_training: dict[str, Section]) -> None:
    assert {title: len(section.pictures) for title, section in of_training.items()} == {
        "Scores": 0,
        "Forecast and truth": 1,
        "Residuals": 1,
        "By step of the horizon": 1,
        "Training": 1,
        "Patterns in the training set": 2,
        "Data": 1,
    }


def test_a_model_in_closed_form_has_no_course_to_show(solved: Folders, blank_pictures: None) -> None:
    assert "Training" not in by_title(solved)


@pytest.mark.slow
def test_a_refit_is_told_with_its_course_where_it_has_one(
    trained: Folders, solved: Folders, blank_pictures: None
) -> None:
    of_epochs, in_closed_form = (by_title(run | {"refit": run["train"]})["Refit"] for run in (trained, solved))

    note = (
        "The exported network was trained once more by the tested recipe, on all 200 observations. "
        "The scores are those of the tested network."
    )
    assert (in_closed_form.note, in_closed_form.pictures) == (note, [])
    assert of_epochs.note == f"{note} It ran 3 epochs from a learning rate of 0.001."
    assert len(of_epochs.pictures) == 1


@pytest.mark.slow
def test_several_series_channels_and_blocks_have_sections_of_their_own(of_several: dict[str, Section]) -> None:
    assert {title: len(section.pictures) for title, section in of_several.items()} == {
        "Scores": 0,
        "Forecast and truth": 2,
        "Residuals": 1,
        "By channel": 0,
        "By series": 0,
        "Backtest": 1,
        "Importance of the features": 0,
        "Patterns in the training set": 2,
        "Data": 2,
    }


@pytest.mark.slow
def test_pictures_need_nothing_from_outside_and_take_the_colour_of_the_page(
    of_training: dict[str, Section], of_several: dict[str, Section]
) -> None:
    for section in [*of_training.values(), *of_several.values()]:
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
        ("By step of the horizon", {"model", "naive"}),
        ("Training", {"training", "validation", "kept"}),
        ("Data", {"training", "validation", "test"}),
    ],
)
def test_legends_name_the_lines_in_the_colour_of_the_page(
    of_training: dict[str, Section], title: str, names: set[str]
) -> None:
    fills = dict(written(ET.fromstring(of_training[title].pictures[0])))  # noqa: S314  # our own

    assert {name: fills.get(name) for name in names} == dict.fromkeys(names, "currentColor")


def test_scores_list_the_model_first_and_the_baselines_from_the_best_on(
    of_training: dict[str, Section], trained: Folders
) -> None:
    scores = read_document(trained["evaluate"] / "scores.json")

    tables = {table.title: table for table in of_training["Scores"].tables}

    assert list(tables) == ["Test set", "Validation set"]
    test = tables["Test set"]
    assert test.headings[:8] == ["model or baseline", "MAE", "RMSE", "MAPE %", "sMAPE %", "MASE", "RMSSE", "skill"]
    assert test.headings[8:] == ["WQL", "coverage", "width"]
    names = [row[0] for row in test.rows]
    assert names[0] == "model"
    assert names[1:] == sorted(scores["baselines"], key=lambda name: scores["baselines"][name]["test"]["mae"])
    for name, row in zip(names, test.rows, strict=True):
        values = scores["model"]["test"] if name == "model" else scores["baselines"][name]["test"]
        assert [float(cell) for cell in row[1:7]] == pytest.approx([values[metric] for metric in METRICS], rel=1e-3)
        assert float(row[7].rstrip("%")) == pytest.approx(100 * values["skill"], abs=0.1)
        assert float(row[8]) == pytest.approx(values["wql"], rel=1e-2)
        assert float(row[9].rstrip("%")) == pytest.approx(100 * values["coverage"], abs=0.1)


def test_a_part_that_is_not_there_and_a_missing_score_are_not_invented(
    solved: Folders, tmp_path: Path, blank_pictures: None
) -> None:
    scores = read_document(solved["evaluate"] / "scores.json")
    model = {"test": scores["model"]["test"] | {"mape": None, "mase": None}}

    shown = by_title(changed(solved, tmp_path, model=model))

    (test,) = shown["Scores"].tables
    assert test.title == "Test set"
    assert (test.rows[0][3], test.rows[0][5]) == ("–", "–")


def scores(test: float, validation: float | None = None, **values: float | None) -> ForecastScores:
    """Return the scores of a model beside a baseline with an error of 10 on the test set."""
    model: dict[str, Any] = {"test": {"mae": test, **values}}
    return ForecastScores(
        headline=Headline(metric="mae", model=test, baseline=10.0),
        best_baseline="naive",
        model=model | ({"validation": {"mae": validation}} if validation else {}),
        baselines={"naive": {"validation": {"mae": 15.0}}, "ar": {"validation": {"mae": 14.1}}},
        level=0.9,
        segments={},
    )


def test_the_coverage_of_the_intervals_is_a_remark() -> None:
    assert "intervals" not in " ".join(report.remarks(scores(9.0)))
    assert "Its 90% intervals covered 87.6% of the test set." in report.remarks(scores(9.0, coverage=0.876))


def test_a_score_without_a_value_is_explained() -> None:
    assert "no value" not in " ".join(report.remarks(scores(9.0, mase=1.0, coverage=0.8, wql=0.2)))
    found = list(report.remarks(scores(9.0, mase=None, coverage=0.8, wql=None)))
    assert "WQL has no value: all values of the test set are 0." in found
    assert any(remark.startswith("MASE and RMSSE have no value: before the test set, ") for remark in found)


@pytest.mark.parametrize(
    ("test", "validation", "remark"),
    [
        (9.0, 14.5, "On the validation set it does not beat ar: 14.5 against 14.1."),
        (11.0, 13.9, "On the validation set it beats ar: 13.9 against 14.1."),
        (9.0, 13.9, ""),
        (11.0, 14.5, ""),
        (9.0, None, ""),
    ],
)
def test_a_remark_says_where_the_validation_set_decides_otherwise(
    test: float, validation: float | None, remark: str
) -> None:
    assert next(report.remarks(scores(test, validation))) == remark


def test_a_score_that_validation_does_not_have_is_compared_with_nothing(
    rolled: Folders, tmp_path: Path, blank_pictures: None
) -> None:
    """MASE has no unit where no series moved before the validation set."""
    scores = read_document(rolled["evaluate"] / "scores.json")
    assert scores["headline"]["metric"] == "mase"
    scores["model"]["validation"]["mase"] = None
    for at, by_part in enumerate(scores["baselines"].values()):
        by_part["validation"]["mase"] = None if at else 1.0

    shown = by_title(changed(rolled, tmp_path, **scores))["Scores"]

    assert "On the validation set" not in shown.note
    assert [row[5] for row in shown.tables[1].rows][:2] == ["–", "1"]


def test_the_note_of_the_forecast_says_what_is_seen(
    of_training: dict[str, Section], of_several: dict[str, Section]
) -> None:
    assert (
        "each value forecast one step ahead; the model forecasts 2 at once." in of_training["Forecast and truth"].note
    )
    assert "; the first of 14 series." in of_several["Forecast and truth"].note
    assert re.search(r"Values outside the interval of 9\d\.\d%: \d+\.", of_training["Forecast and truth"].note)


def test_steps_are_those_of_the_scores(of_training: dict[str, Section], trained: Folders) -> None:
    (table,) = of_training["By step of the horizon"].tables
    scores = read_table(trained["evaluate"] / "scores.parquet")
    best = read_document(trained["evaluate"] / "scores.json")["best_baseline"]

    assert [row[0] for row in table.rows] == ["1", "2"]
    assert table.headings[-1] == f"MAE of {best}"
    for row in table.rows:
        chosen = scores[(scores["by"] == "step") & (scores["group"] == row[0]) & (scores["part"] == "test")]
        mae = chosen.set_index("forecaster")["mae"]
        assert [float(row[1]), float(row[-1])] == pytest.approx([mae["model"], mae[best]], rel=1e-3)


def test_of_many_series_the_worst_and_the_best_are_listed(of_several: dict[str, Section], rolled: Folders) -> None:
    section = of_several["By series"]
    scores = read_table(rolled["evaluate"] / "scores.parquet")
    chosen = scores[(scores["by"] == "series") & (scores["part"] == "test") & (scores["forecaster"] == "model")]
    ordered = chosen.sort_values("skill")["group"].tolist()

    (table,) = section.tables
    assert [row[0] for row in table.rows] == ordered[:6] + ordered[-6:]
    assert section.note.startswith("14 series: those with the lowest and the highest skill.")


def test_few_series_are_all_listed_once(rolled: Folders, tmp_path: Path, blank_pictures: None) -> None:
    folder = tmp_path / "evaluate"
    shutil.copytree(rolled["evaluate"], folder)
    scores = read_table(folder / "scores.parquet")
    few = scores[(scores["by"] != "series") | scores["group"].isin([f"shop {number:02d}" for number in range(9)])]
    few.to_parquet(folder / "scores.parquet", index=False)

    (table,) = by_title(rolled | {"evaluate": folder})["By series"].tables

    assert sorted(row[0] for row in table.rows) == [f"shop {number:02d}" for number in range(9)]


def test_the_backtest_is_told_with_its_spread(of_several: dict[str, Section], rolled: Folders) -> None:
    told = read_document(rolled["evaluate"] / "scores.json")["backtest"]["forecasters"]

    (table,) = of_several["Backtest"].tables

    assert table.rows[0][0] == "model"
    assert [row[0] for row in table.rows[1:]] == sorted(
        set(told) - {"model"}, key=lambda name: told[name]["mae"]["mean"]
    )
    assert table.rows[0][1] == score("mae", told["model"]["mae"]["mean"])
    assert "Blocks before the test set (2), each forecast by 2 networks" in of_several["Backtest"].note


def test_the_data_note_says_what_was_repaired() -> None:
    summary = {"counts": {"rows": 1234}, "targets": ["y", "z"], "frequency": "D", "series": 1}
    segments = {"found": 2, "series": 1}

    assert report.data_note(summary, segments) == (
        "1,234 observations of y, z, frequency D; nothing had to be repaired. Segments between change points: 2."
    )
    summary["counts"] = {"rows": 1234, "filled": 3, "out_of_order": 2000}
    assert report.data_note(summary, segments).startswith(
        "1,234 observations of y, z, frequency D; 3 filled, 2,000 out of order. "
    )
    assert report.data_note(summary | {"series": 5000}, {"found": 2, "series": 1000}).endswith(
        "Segments between change points: 2, in 1,000 of 5,000 series."
    )


def test_the_data_note_counts_series_that_are_tested() -> None:
    series = [np.arange(length, dtype=float) for length in (20, 5, 1)]
    together, apart = (assembled(*series, test=2, validation=3, split=split) for split in ("time", "per_series"))

    assert report.own_parts_note(together) == ""
    assert report.own_parts_note(apart) == (
        " Each series is split before its own end: of 3 series, 2 have a test set and 1 a validation set."
    )


def test_the_data_tables_have_a_row_a_part_and_a_row_a_column(
    of_training: dict[str, Section], of_several: dict[str, Section]
) -> None:
    parts, columns = of_training["Data"].tables

    assert [row[:5] for row in parts.rows] == [
        ["training", "140", "127", "1749-01-01", "1760-08-01"],
        ["validation", "30", "29", "1760-09-01", "1763-02-01"],
        ["test", "30", "29", "1763-03-01", "1765-08-01"],
    ]
    assert [row[0] for row in columns.rows] == ["sunspots"]
    assert "200 observations of sunspots, frequency MS; nothing had to be repaired." in of_training["Data"].note
    parts, columns = of_several["Data"].tables
    assert parts.title == "Parts of shop 00; windows of all 14 series"
    assert [row[0] for row in columns.rows] == ["sales", "returns"]


def test_the_headline_picture_is_a_png_of_the_evaluation_alone(solved: Folders) -> None:
    picture = report.headline_picture({"evaluate": solved["evaluate"]})

    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
