"""What the pictures of a report show, by their data."""

import numpy as np
import pytest

from gristmill.domains.vision import report
from gristmill.reports.pictures import as_svg

TILES = list(np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8))


def test_a_sheet_has_its_images_in_rows() -> None:
    figure = report.draw_tiles(TILES, 3, "title")

    (axes,) = figure.axes
    assert len(axes.images) == 5
    for image, tile in zip(axes.images, TILES, strict=True):
        assert np.array_equal(image.get_array(), tile)
    corners = [(image.get_extent()[0], image.get_extent()[3]) for image in axes.images]
    assert [left for left, _ in corners] == pytest.approx([0, 1.08, 2.16, 0, 1.08])
    assert len({top for _, top in corners[:3]}) == len({top for _, top in corners[3:]}) == 1
    left, right, bottom, top = axes.images[0].get_extent()
    assert (right - left, bottom - top) == pytest.approx((1, 4 / 6))
    assert axes.get_title(loc="left") == "title"


def test_images_are_embedded_one_by_one_as_they_are_stored() -> None:
    picture = as_svg(report.draw_tiles(TILES, 3), "")

    assert picture.count("data:image/png;base64,") == 5


def test_filters_are_shown_over_their_own_full_range_in_colour_where_images_are() -> None:
    filters = np.stack([np.linspace(-1, 1, 27).reshape(3, 3, 3), np.full((3, 3, 3), 7.0)], axis=-1).astype(np.float32)

    coloured = report.filters_figure(filters).axes[0].images
    grey = report.filters_figure(filters[:, :, :1]).axes[0].images

    assert coloured[0].get_array().shape == (3, 3, 3)
    assert (coloured[0].get_array().min(), coloured[0].get_array().max()) == (0, 255)
    assert not coloured[1].get_array().any()
    assert np.squeeze(grey[0].get_array()).shape == (3, 3)


def test_maps_stand_behind_their_image() -> None:
    images = np.zeros((2, 4, 4, 1), np.uint8)
    maps = np.arange(2 * 3 * 3 * 5, dtype=np.uint8).reshape(2, 3, 3, 5)

    drawn = report.maps_figure(images, maps, "conv").axes[0].images

    assert len(drawn) == 2 * (1 + 5)
    assert not drawn[6].get_array().any()
    assert np.array_equal(drawn[7 + 2].get_array(), maps[1, :, :, 2])
