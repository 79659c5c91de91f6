"""What the pictures of a report show, by their data."""

import numpy as np
import pytest

from gristmill.domains.common.classification import report
from gristmill.domains.common.classification.report import shorten
from gristmill.reports.pictures import as_svg


def test_a_confusion_matrix_has_shares_as_colour_and_counts_in_its_cells() -> None:
    figure = report.confusion_figure([[8, 2], [0, 0]], ["cat", "dog"])

    (axes,) = figure.axes
    (image,) = axes.images
    assert image.get_array().tolist() == [[0.8, 0.2], [0, 0]]
    assert [(text.get_position(), text.get_text()) for text in axes.texts] == [((0, 0), "8"), ((1, 0), "2")]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]


@pytest.mark.parametrize(("classes", "counted", "named"), [(20, 20, True), (21, 0, True), (41, 0, False)])
def test_many_classes_have_no_counts_and_very_many_no_names(classes: int, counted: int, named: bool) -> None:
    names = [f"class {number}" for number in range(classes)]

    figure = report.confusion_figure(np.eye(classes, dtype=int).tolist(), names)

    assert len(figure.axes[0].texts) == counted
    assert ("class 0" in [label.get_text() for label in figure.axes[0].get_xticklabels()]) == named


def test_words_on_the_page_take_its_colour_and_those_on_strong_cells_are_white() -> None:
    picture = as_svg(report.confusion_figure([[9, 1], [5, 5]], ["cat", "dog"]), "")

    assert picture.count("fill: currentColor") + picture.count('fill="currentColor"') > 0
    assert picture.count("fill: #ffffff") == 1
    assert "#010203" not in picture


def test_calibration_draws_accuracy_against_confidence_and_how_often() -> None:
    bins = [
        {"low": 0.4, "examples": 3, "confidence": 0.45, "accuracy": 0.6},
        {"low": 0.8, "examples": 7, "confidence": 0.85, "accuracy": 0.8},
    ]

    figure = report.calibration_figure(bins)

    right, often = figure.axes
    line = next(line for line in right.lines if line.get_label() == "model")
    assert np.asarray(line.get_xydata()).tolist() == [[0.45, 0.6], [0.85, 0.8]]
    assert [(bar.get_x(), bar.get_height()) for bar in often.patches] == [(0.4, 3), (0.8, 7)]


def test_dollars_in_names_are_no_formulas() -> None:
    dollars = ["$a", "b$^$", "$\\nothing$"]

    assert "$\\nothing$" in as_svg(report.confusion_figure(np.eye(3, dtype=int).tolist(), dollars), "")


def test_a_long_name_is_cut_in_its_middle() -> None:
    assert shorten("ball", 4) == "ball"
    assert shorten("abcdefghij", 7) == "abc…hij"
    assert shorten("abcdefghij", 8) == "abc…hij"
