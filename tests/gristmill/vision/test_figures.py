"""What the pictures of a report show, by their data."""

from typing import Any

import numpy as np
import pytest

from gristmill.pictures import as_svg
from gristmill.vision import figures
from gristmill.vision.figures import short

TILES = list(np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8))


def words(figure: Any) -> list[str]:
    """Return the words within a picture's only panel."""
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_confusion_matrix_has_shares_as_colour_and_counts_in_its_cells() -> None:
    figure = figures.confusion_figure([[8, 2], [0, 0]], ["cat", "dog"])

    (axes,) = figure.axes
    (image,) = axes.images
    assert image.get_array().tolist() == [[0.8, 0.2], [0, 0]]
    assert [(text.get_position(), text.get_text()) for text in axes.texts] == [((0, 0), "8"), ((1, 0), "2")]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]


@pytest.mark.parametrize(("classes", "counted", "named"), [(20, 20, True), (21, 0, True), (41, 0, False)])
def test_many_classes_have_no_counts_and_very_many_no_names(classes: int, counted: int, named: bool) -> None:
    names = [f"class {number}" for number in range(classes)]

    figure = figures.confusion_figure(np.eye(classes, dtype=int).tolist(), names)

    assert len(figure.axes[0].texts) == counted
    assert ("class 0" in [label.get_text() for label in figure.axes[0].get_xticklabels()]) == named


def test_words_on_the_page_take_its_colour_and_those_on_strong_cells_are_white() -> None:
    picture = as_svg(figures.confusion_figure([[9, 1], [5, 5]], ["cat", "dog"]))

    assert picture.count("fill: currentColor") + picture.count('fill="currentColor"') > 0
    assert picture.count("fill: #ffffff") == 1
    assert "#010203" not in picture
    assert "fill: #000000" not in as_svg(figures.sheet(TILES, 3, ["a"] * 5, "title"))


def test_calibration_draws_accuracy_against_confidence_and_how_often() -> None:
    bins = [
        {"low": 0.4, "images": 3, "confidence": 0.45, "accuracy": 0.6},
        {"low": 0.8, "images": 7, "confidence": 0.85, "accuracy": 0.8},
    ]

    figure = figures.calibration_figure(bins)

    right, often = figure.axes
    line = next(line for line in right.lines if line.get_label() == "model")
    assert np.asarray(line.get_xydata()).tolist() == [[0.45, 0.6], [0.85, 0.8]]
    assert [(bar.get_x(), bar.get_height()) for bar in often.patches] == [(0.4, 3), (0.8, 7)]


def test_a_sheet_has_its_images_in_rows_with_their_words() -> None:
    figure = figures.sheet(TILES, 3, ["a", "b", "c", "d", "e"], "title")

    (axes,) = figure.axes
    assert len(axes.images) == 5
    for image, tile in zip(axes.images, TILES, strict=True):
        assert np.array_equal(image.get_array(), tile)
    corners = [(image.get_extent()[0], image.get_extent()[3]) for image in axes.images]
    assert [left for left, _ in corners] == pytest.approx([0, 1.08, 2.16, 0, 1.08])
    assert len({top for _, top in corners[:3]}) == len({top for _, top in corners[3:]}) == 1
    left, right, bottom, top = axes.images[0].get_extent()
    assert (right - left, bottom - top) == pytest.approx((1, 4 / 6))
    assert words(figure) == ["a", "b", "c", "d", "e"]
    assert axes.get_title(loc="left") == "title"


def test_images_are_embedded_one_by_one_as_they_are_stored() -> None:
    picture = as_svg(figures.sheet(TILES, 3))

    assert picture.count("data:image/png;base64,") == 5


def test_filters_are_shown_over_their_own_full_range_in_colour_where_images_are() -> None:
    filters = np.stack([np.linspace(-1, 1, 27).reshape(3, 3, 3), np.full((3, 3, 3), 7.0)], axis=-1).astype(np.float32)

    coloured = figures.filters_figure(filters).axes[0].images
    grey = figures.filters_figure(filters[:, :, :1]).axes[0].images

    assert coloured[0].get_array().shape == (3, 3, 3)
    assert (coloured[0].get_array().min(), coloured[0].get_array().max()) == (0, 255)
    assert not coloured[1].get_array().any()
    assert np.squeeze(grey[0].get_array()).shape == (3, 3)


def test_maps_stand_behind_their_image() -> None:
    images = np.zeros((2, 4, 4, 1), np.uint8)
    maps = np.arange(2 * 3 * 3 * 5, dtype=np.uint8).reshape(2, 3, 3, 5)

    drawn = figures.maps_figure(images, maps, "conv").axes[0].images

    assert len(drawn) == 2 * (1 + 5)
    assert not drawn[6].get_array().any()
    assert np.array_equal(drawn[7 + 2].get_array(), maps[1, :, :, 2])


def test_dollars_in_names_are_no_formulas() -> None:
    dollars = ["$a", "b$^$", "$\\nothing$"]

    assert "$\\nothing$" in as_svg(figures.confusion_figure(np.eye(3, dtype=int).tolist(), dollars))
    assert "b$^$" in as_svg(figures.sheet(TILES[:3], 3, dollars))


def test_a_long_name_is_cut_in_its_middle() -> None:
    assert short("ball", 4) == "ball"
    assert short("abcdefghij", 7) == "abc…hij"
    assert short("abcdefghij", 8) == "abc…hij"
