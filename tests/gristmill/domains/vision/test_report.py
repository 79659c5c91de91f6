"""What the report on image classifiers shows."""

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification import report as classifier
from gristmill.domains.common.classification.predictions import most_confident_errors, read_predictions
from gristmill.domains.common.classification.report import error_sections, wrong_label_sections
from gristmill.domains.vision import report
from gristmill.reports.pictures import as_svg
from gristmill.reports.sections import Section
from gristmill.scores import Headline, Scores
from gristmill.util.table_io import read_document, read_table, write_document, write_table
from helpers.small_judged import Folders

pytest_plugins = ["helpers.small_judged"]

LOADED = re.compile(r"""(?:href|src)\s*=\s*["'](?!#|data:image/)|url\(\s*["']?(?!#)|@import|<script""")


def by_title(folders: Folders) -> dict[str, Section]:
    """Return the sections by title, in their order."""
    return {section.title: section for section in report.sections(folders)}


def changed(run: Folders, stage: str, tmp_path: Path) -> Folders:
    """Return a run with a copy of a stage's folder, to be changed."""
    shutil.copytree(run[stage], tmp_path / stage)
    return run | {stage: tmp_path / stage}


@pytest.fixture(scope="module")
def shown(judged: Folders) -> dict[str, Section]:
    return by_title(judged)


@pytest.mark.slow
def test_a_run_has_all_sections(shown: dict[str, Section]) -> None:
    assert {title: len(section.pictures) for title, section in shown.items()} == {
        "Scores": 0,
        "Confusion matrix": 1,
        "Calibration": 1,
        "Most confident errors": 0,
        "Slices": 0,
        "Training": 1,
        "What the network sees": 3,
        "Network": 0,
        "Augmented samples": 1,
        "Data": 0,
    }


def test_what_a_run_does_not_have_is_not_shown(binary: Folders) -> None:
    titles = list(by_title(binary))

    assert titles == [
        "Scores",
        "Confusion matrix",
        "ROC and precision-recall",
        "Calibration",
        "Most confident errors",
        "Training",
        "Network",
        "Data",
    ]


def test_pictures_need_nothing_from_outside_and_take_the_colour_of_the_page(shown: dict[str, Section]) -> None:
    for section in shown.values():
        for picture in section.pictures:
            assert ET.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  # our own
            assert "#010203" not in picture
            assert not LOADED.search(picture)


def test_scores_list_the_model_first_and_the_baselines_from_the_best_on(
    shown: dict[str, Section], binary: Folders, judged: Folders
) -> None:
    scores = read_document(judged["evaluate"] / "scores.json")

    test, validation = shown["Scores"].tables

    assert (test.title, validation.title) == ("Test set", "Validation set")
    metrics = {"log_loss": "log loss", "accuracy": "accuracy", "precision": "precision", "recall": "recall"}
    metrics |= {"f1": "F1", "brier": "Brier", "ece": "ECE"}
    assert test.headings == ["model or baseline", *metrics.values()]
    assert [row[0] for row in test.rows] == ["model", "linear_pixels", "majority"]
    values = scores["model"]["test"]
    assert [float(cell) for cell in test.rows[0][1:]] == pytest.approx([values[name] for name in metrics], abs=5e-4)
    for cells in zip(*(row[1:] for row in test.rows), strict=True):  # a column has one number of decimals
        assert len({len(cell.partition(".")[2]) for cell in cells}) == 1
    (only,) = classifier.scores_section(classifier.read_evaluation(binary)).tables
    assert "ROC-AUC" in only.headings


def test_the_scores_tell_how_far_training_is_from_what_was_not_trained_on(judged: Folders, tmp_path: Path) -> None:
    scores = Scores(
        headline=Headline(metric="accuracy", model=0.8, baseline=0.5),
        best_baseline="linear",
        model={"validation": {"accuracy": 0.7}, "test": {"accuracy": 0.8}},
    )

    said = classifier.training_gap(judged["train"], scores)

    assert (
        "was 0.75 in the epoch that was kept: +5.0 points compared with the validation set and -5.0 points "
        "compared with the test set." in said
    )
    run = changed(judged, "train", tmp_path)
    epochs = read_table(run["train"] / "epochs.parquet")
    write_table(run["train"] / "epochs.parquet", epochs.drop(columns="accuracy"))
    assert classifier.training_gap(run["train"], scores) == ""


def test_each_class_is_listed_with_its_scores(shown: dict[str, Section], judged: Folders) -> None:
    scores = read_table(judged["evaluate"] / "scores.parquet")
    own = scores[(scores["by"] == "class") & (scores["part"] == "test") & (scores["forecaster"] == "model")]

    table = shown["Confusion matrix"].tables[0]

    assert [row[:2] for row in table.rows] == [["ball", "20"], ["cup", "10"], ["tree", "10"]]
    assert [float(row[4]) for row in table.rows] == pytest.approx(own["f1"].tolist(), abs=5e-4)


def test_of_very_many_classes_those_with_the_lowest_f1_are_listed(judged: Folders, tmp_path: Path) -> None:
    run = changed(judged, "evaluate", tmp_path)
    rows: list[dict[str, Any]] = [
        {"part": "test", "forecaster": "model", "by": "class", "group": f"{number}", "examples": 1, "f1": number / 100}
        for number in range(50)
    ]
    rows[40]["f1"] = np.nan
    scores = read_table(run["evaluate"] / "scores.parquet")
    more = pd.concat([scores[scores["by"] != "class"], pd.DataFrame(rows[::-1])], ignore_index=True)
    write_table(run["evaluate"] / "scores.parquet", more)

    section = classifier.confusion_section(classifier.read_evaluation(run))

    assert [row[0] for row in section.tables[0].rows] == [str(number) for number in range(30)]
    assert "Of 50 classes the 30 with the lowest F1" in section.note


def test_the_calibration_is_told_in_a_sentence(judged: Folders) -> None:
    found = classifier.read_evaluation(judged)
    found.scores.calibration[:] = [
        {"examples": 30, "confidence": 0.9, "accuracy": 0.8, "low": 0.8},
        {"examples": 10, "confidence": 0.5, "accuracy": 0.6, "low": 0.4},
    ]
    found.scores.model["test"] |= {"accuracy": 0.75, "ece": 0.1}

    said = classifier.calibration_section(found).note

    assert "mean confidence is 80.0%. The mean gap between the two over the bins is 10.0% (ECE)" in said


def test_errors_are_shown_as_pictures_with_captions(shown: dict[str, Section], judged: Folders) -> None:
    wrong = most_confident_errors(read_predictions(judged["evaluate"], "test"), 12)

    (table,) = shown["Most confident errors"].tables

    assert table.tiles
    assert [row[-1] for row in table.rows] == wrong["id"].tolist()
    first = wrong.iloc[0]
    assert table.rows[0][1:4] == [first["label"], first["predicted"], f"{first['probability']:.2%}"]
    assert all(row[0].startswith('<img alt="test/') and "data:image/png;base64," in row[0] for row in table.rows)


def test_cells_of_the_matrix_lead_to_their_examples(shown: dict[str, Section], judged: Folders) -> None:
    section, confusion = shown["Confusion matrix"], read_document(judged["evaluate"] / "scores.json")["confusion"]

    cells = section.tables[1:]

    assert len(cells) == np.count_nonzero(confusion)
    for table in cells:
        assert table.folded
        assert f'href="#{table.anchor}"' in section.pictures[0]
        assert 1 <= len(table.rows) <= 4
    true, predicted = (int(place) for place in re.findall(r"\d+", cells[0].anchor))
    assert confusion[true][predicted] == max(confusion[row][column] for row in range(3) for column in {0, 1, 2} - {row})
    assert cells[0].title.endswith(f": {confusion[true][predicted]}")


def test_likely_wrong_labels_are_shown_with_where_all_are(judged: Folders, tmp_path: Path) -> None:
    run = changed(judged, "evaluate", tmp_path)
    kept = read_table(run["evaluate"] / "examples.parquet")
    kept.loc[:, "shown"] = ["wrong labels"] * 3 + [""] * (len(kept) - 3)
    write_table(run["evaluate"] / "examples.parquet", kept)
    (run["evaluate"] / "wrong_labels.csv").write_text("id,part\n" + "1,test\n" * 1500)

    (section,) = wrong_label_sections(classifier.read_evaluation(run))

    assert f"All 1,500 are in {'/'.join(run['evaluate'].parts[-3:])}/wrong_labels.csv in the store." in section.note
    assert section.tables[0].headings == ["", "label", "likely", "probability", "part", ""]
    assert [row[4] for row in section.tables[0].rows] == ["test"] * 3
    assert list(error_sections(classifier.read_evaluation(run))) == []


def test_an_error_is_shown_with_what_speaks_for_its_prediction(judged: Folders, tmp_path: Path) -> None:
    run = changed(judged, "evaluate", tmp_path)
    shown = read_table(run["evaluate"] / "examples.parquet")
    maps = [b"\xff\xd8 map" if name == "errors" else None for name in shown["shown"]]
    write_table(run["evaluate"] / "examples.parquet", shown.assign(class_map=maps))

    (section,) = error_sections(classifier.read_evaluation(run))

    assert "Red places of the second picture speak for the predicted class" in section.note
    assert [row[0].count("<img") for row in section.tables[0].rows] == [2] * maps.count(b"\xff\xd8 map")
    (plain,) = error_sections(classifier.read_evaluation(judged))
    assert "second picture" not in plain.note
    assert {row[0].count("<img") for row in plain.tables[0].rows} == {1}


def test_slices_stand_beside_the_best_baseline(shown: dict[str, Section], judged: Folders) -> None:
    scores = read_table(judged["evaluate"] / "scores.parquet")

    (table,) = shown["Slices"].tables

    assert table.title == "camera"
    assert table.headings[:4] == ["", "examples", "log loss", "accuracy"]
    assert table.headings[-1] == "accuracy of linear_pixels"
    for row in table.rows:
        own = scores[(scores["group"] == row[0]) & (scores["part"] == "test")].set_index("forecaster")
        assert row[1] == str(own.loc["model", "examples"])
        accuracies = [own.loc[name, "accuracy"] for name in ("model", "linear_pixels")]
        assert [float(row[3]), float(row[-1])] == pytest.approx(accuracies, abs=5e-4)


def test_the_network_is_listed_layer_by_layer(shown: dict[str, Section]) -> None:
    section = shown["Network"]

    count = 30 + 140 + (8 * 6 * 5 + 1) * 3
    assert section.note.startswith(f"{count:,} parameters, {count:,} of them trained.")
    names = [row[0].strip() for row in section.tables[0].rows]
    assert names.index("inner") < names.index("first") < names.index("second")
    assert ["\u00a0\u00a0\u00a0first", "Conv2D", "(10, 8, 3)", "30", "30"] in section.tables[0].rows


def test_each_augmented_image_has_a_row(shown: dict[str, Section], judged: Folders) -> None:
    samples = np.load(judged["train"] / "samples.npy", allow_pickle=False)  # three images, each in four variants

    expected = as_svg(report.draw_tiles(list(samples.reshape(12, 12, 10, 1)), 4), "Training images and random variants")

    assert shown["Augmented samples"].pictures == [expected]


def test_the_data_are_counted_by_class_and_part_with_what_was_left_out(
    shown: dict[str, Section], binary: Folders, tmp_path: Path
) -> None:
    section = shown["Data"]

    assert section.note == "120 images of 3 classes, at 12 x 10 pixels and 1 channel; 1 left out."
    counts, left_out = section.tables
    assert counts.rows[0] == ["ball", "30", "10", "20"]
    assert counts.rows[-1] == ["all", "60", "20", "40"]
    assert left_out.rows == [["x.jpg", "the file is empty"]]
    run = changed(binary, "ingest", tmp_path)
    write_document(run["ingest"] / "summary.json", {"skipped": []})
    whole = report.data_section(run)
    assert whole.note == "100 images of 2 classes, at 12 x 10 pixels and 3 channels; none was left out."
    assert [table.rows[-1] for table in whole.tables] == [["all", "60", "0", "40"]]


def test_what_parts_share_is_told(binary: Folders, tmp_path: Path) -> None:
    run = changed(binary, "preprocess", tmp_path)
    shared = {"part": "test", "also_in": "train", "count": 1200, "pairs": [["a.jpg", "b.jpg"]]}
    write_document(run["preprocess"] / "summary.json", {"repeated": [shared], "copies": {"count": 0}})

    said = report.data_section(run).note

    assert said.endswith(
        "1,200 of the test set are also in the training set, such as a.jpg (b.jpg there), so its score is too "
        "optimistic."
    )


def test_of_very_many_images_left_out_the_first_are_listed(binary: Folders, tmp_path: Path) -> None:
    run = changed(binary, "ingest", tmp_path)
    skipped = [{"id": f"{number}.jpg", "reason": "the file is empty"} for number in range(1234)]
    write_document(run["ingest"] / "summary.json", {"skipped": skipped})

    table = report.data_section(run).tables[1]

    assert table.title == "Left out: the first 30 of 1,234"
    assert [row[0] for row in table.rows] == [f"{number}.jpg" for number in range(30)]


def test_the_headline_picture_is_a_png_of_the_evaluation_alone(judged: Folders) -> None:
    assert report.headline_picture({"evaluate": judged["evaluate"]}).startswith(b"\x89PNG\r\n\x1a\n")
