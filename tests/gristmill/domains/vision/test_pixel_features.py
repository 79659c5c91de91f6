"""Features of pixels equal those of plain loops."""

import math
from typing import Any

import numpy as np
import pytest

from gristmill.domains.vision.pixel_features import (
    CELLS,
    DIRECTIONS,
    area_shares,
    histograms,
    mean_pixels,
)
from gristmill.training.keras_backend import import_keras

RANDOM = np.random.default_rng(0)


def computed(network: Any, images: Any) -> Any:
    return np.asarray(network(images.astype(np.float32)))


def noise(height: int, width: int, channels: int, images: int = 2) -> Any:
    return RANDOM.integers(0, 256, (images, height, width, channels)).astype(np.uint8)


def test_an_area_is_the_mean_of_its_pixels_and_of_its_share_of_those_at_its_border() -> None:
    assert area_shares(4, 2).tolist() == [[0.5, 0], [0.5, 0], [0, 0.5], [0, 0.5]]
    assert area_shares(3, 2) == pytest.approx(np.array([[2 / 3, 0], [1 / 3, 1 / 3], [0, 2 / 3]]))
    assert area_shares(1, 2).tolist() == [[1, 1]]


@pytest.mark.parametrize("form", [(16, 24, 3), (10, 7, 1)])
def test_mean_pixels_hold_the_mean_of_each_area(form: tuple[int, int, int]) -> None:
    images = noise(*form)
    side = 8 if form[0] == 16 else 5

    found = computed(mean_pixels(form, side), images).reshape(2, side, side, form[2])

    fine = images.repeat(side, axis=1).repeat(side, axis=2) / 255  # each pixel as side x side equal ones
    for row in range(side):
        for column in range(side):
            area = fine[:, row * form[0] : (row + 1) * form[0], column * form[1] : (column + 1) * form[1]]
            assert found[:, row, column] == pytest.approx(area.mean(axis=(1, 2)), abs=1e-5)


def gradients_of(image: Any, cells: int) -> Any:
    """Return the gradient histograms of one image by loops, with cells of one size: (features,)."""
    height, width, channels = image.shape
    levels = image.astype(float)
    cell = math.ceil(max(height, width) / cells)
    rows, columns = math.ceil(height / cell), math.ceil(width / cell)
    top, left_edge = (rows * cell - height) // 2, (columns * cell - width) // 2  # the first cells may be smaller
    counts, pixels = np.zeros((rows, columns, DIRECTIONS)), np.zeros((rows, columns, 1))
    step = 2 * math.pi / DIRECTIONS
    for y in range(height):
        for x in range(width):
            slopes = []
            for channel in range(channels):
                right = levels[y, min(x + 1, width - 1), channel] - levels[y, max(x - 1, 0), channel]
                down = levels[min(y + 1, height - 1), x, channel] - levels[max(y - 1, 0), x, channel]
                slopes.append((right / 2, down / 2))
            longest = max(math.hypot(*slope) for slope in slopes)
            largest = [slope for slope in slopes if math.hypot(*slope) == longest]
            right, down = (sum(part) / len(largest) for part in zip(*largest, strict=True))
            for direction in range(DIRECTIONS):
                along = right * math.cos(direction * step) + down * math.sin(direction * step)
                vote = (along - math.hypot(right, down) * math.cos(step)) / (1 - math.cos(step))
                counts[(y + top) // cell, (x + left_edge) // cell, direction] += max(0, vote)
            pixels[(y + top) // cell, (x + left_edge) // cell] += 1
    counts /= pixels
    lines = counts[..., : DIRECTIONS // 2] + counts[..., DIRECTIONS // 2 :]
    found = []
    for row in range(rows):
        for column in range(columns):
            shares = []
            for up in (-1, 0):
                for left in (-1, 0):
                    square = [
                        lines[min(max(row + up + a, 0), rows - 1), min(max(column + left + b, 0), columns - 1)]
                        for a in (0, 1)
                        for b in (0, 1)
                    ]
                    length = math.sqrt(sum(float(np.square(one).sum()) for one in square) + 6.5)
                    every = np.concatenate([counts[row, column], lines[row, column]])
                    shares.append(np.minimum(every / length, 0.2))
            totals = [0.2357 * share[DIRECTIONS:].sum() for share in shares]
            found += [*(sum(shares) / 2), *totals]
    return np.array(found)


def colours_of(image: Any) -> Any:
    """Return the colour histograms of one image by loops: (features,)."""
    height, width, channels = image.shape
    levels = 4 if channels == 3 else 8
    area = math.ceil(height / 3), math.ceil(width / 3)
    rows, columns = math.ceil(height / area[0]), math.ceil(width / area[1])
    top, left = (rows * area[0] - height) // 2, (columns * area[1] - width) // 2  # the first areas may be smaller
    shares, pixels = np.zeros((rows, columns, *[levels] * channels)), np.zeros((rows, columns))
    for y in range(height):
        for x in range(width):
            counts = np.ones([levels] * channels)
            for channel in range(channels):
                at = float(image[y, x, channel]) * (levels - 1) / 255
                near = np.array([max(0, 1 - abs(at - level)) for level in range(levels)])
                counts *= near.reshape([-1 if axis == channel else 1 for axis in range(channels)])
            shares[(y + top) // area[0], (x + left) // area[1]] += counts
            pixels[(y + top) // area[0], (x + left) // area[1]] += 1
    whole = shares.sum(axis=(0, 1)) / (height * width)
    areas = shares / pixels.reshape(rows, columns, *[1] * channels)
    return np.sqrt(np.concatenate([areas.ravel(), whole.ravel()]) + 1e-3)


@pytest.mark.parametrize("form", [(16, 21, 3), (9, 9, 1), (8, 15, 1)])
def test_histograms_equal_those_of_loops(form: tuple[int, int, int]) -> None:
    images = noise(*form)
    images[:, : form[0] // 2] //= 3  # an edge

    both = computed(histograms(form), images)

    for image, found in zip(images, both, strict=True):
        assert found == pytest.approx(
            np.concatenate([*(gradients_of(image, cells) for cells in CELLS), colours_of(image)]), abs=2e-5
        )


def test_histograms_may_be_of_gradients_or_colours_alone() -> None:
    images = noise(12, 12, 3)

    both, gradients, colours = (
        computed(histograms((12, 12, 3), of), images) for of in ("both", "gradients", "colours")
    )

    assert np.array_equal(both, np.concatenate([gradients, colours], axis=1))


def test_large_images_are_reduced_first() -> None:
    images = noise(80, 80, 3).repeat(2, axis=1).repeat(2, axis=2)

    assert computed(histograms((160, 160, 3)), images) == pytest.approx(
        computed(histograms((80, 80, 3)), images[:, ::2, ::2]), abs=1e-4
    )


def test_a_plain_image_has_no_gradient() -> None:
    found = computed(histograms((14, 14, 1), "gradients"), np.full((1, 14, 14, 1), 90, np.uint8))

    assert np.array_equal(found, np.zeros_like(found))


@pytest.mark.slow
def test_the_same_pixels_have_the_same_features_each_time() -> None:
    """By default, TensorFlow would add the normalised gradients of a cell in any order."""
    import_keras()
    network, given = histograms((28, 28, 1)), noise(28, 28, 1, images=64).astype(np.float32)

    first = network.predict_on_batch(given)

    assert all(np.array_equal(network.predict_on_batch(given), first) for _ in range(500))
