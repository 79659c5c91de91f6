"""The pictures of a report on image classifiers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gristmill.pictures import MODEL, TRUTH, canvas, legend
from gristmill.vision.looks import Filters, Maps
from gristmill.vision.prepared import Pixels
from gristmill.vision.scores import BINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COUNTED, _NAMED = 20, 40  # classes up to which a confusion matrix has counts in its cells, and names at its edges
_WIDTH = 10.0  # inches of a figure
_GAP = 0.08  # between tiles, as a share of a tile's width
_SPACE = 0.45  # for the words below a tile, likewise
_TITLE = 0.3  # inches


def confusion_figure(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> "Figure":
    """Draw what each class was taken for: counts, and shares of the true class as colour."""
    from matplotlib.colors import LinearSegmentedColormap

    counts, names = np.array(confusion), [short(name, 24) for name in classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, (axes,) = canvas(min(9.0, 1.6 + 0.42 * len(names)))
    colours = LinearSegmentedColormap.from_list("share", [f"{MODEL}00", MODEL])  # from what the page has
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1, interpolation="none")
    axes.set_anchor("W")
    axes.grid(visible=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(names) <= _NAMED:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    if len(names) <= _COUNTED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            ink = "white" if shares[row, column] > 0.75 else _ink(axes)
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=8, color=ink)
    return figure


def calibration_figure(bins: Sequence[dict[str, float]]) -> "Figure":
    """Draw accuracy against confidence, and how many images have which confidence."""
    figure, (right, often) = canvas(3.2, columns=2, widths=(3, 2))
    confidence = [one["confidence"] for one in bins]
    right.plot([0, 1], [0, 1], color=TRUTH, linewidth=0.9, linestyle="--", label="calibrated")
    right.plot(confidence, [one["accuracy"] for one in bins], "o-", color=MODEL, markersize=4, label="model")
    right.set_xlabel("confidence")
    right.set_ylabel("accuracy")
    legend(right, loc="upper left")
    lows = [one["low"] for one in bins]
    often.bar(lows, [one["images"] for one in bins], width=1 / BINS, align="edge", color=MODEL, alpha=0.7)
    often.set_xlabel("confidence")
    often.set_ylabel("images")
    for axes in (right, often):
        axes.set_xlim(0, 1)
    return figure


def sheet(tiles: Sequence[Pixels], columns: int, words: Sequence[str] = (), title: str = "") -> "Figure":
    """Draw images (height, width, channels) of equal shape in rows, with words below each."""
    ratio, rows = tiles[0].shape[0] / tiles[0].shape[1], -(-len(tiles) // columns)
    across, down = 1 + _GAP, ratio + (_SPACE if words else _GAP)
    figure, (axes,) = canvas(_WIDTH * rows * down / (columns * across) + (_TITLE if title else 0))
    for at, tile in enumerate(tiles):
        left, top = at % columns * across, at // columns * down
        place = (left, left + 1, top + ratio, top)
        axes.imshow(tile, cmap="gray", vmin=0, vmax=255, extent=place, interpolation="none")  # as it is stored
        if words:
            below = top + ratio + 0.04
            axes.text(left, below, words[at], va="top", fontsize=8, color=_ink(axes), parse_math=False)
    axes.set(xlim=(0, columns * across), ylim=(rows * down, 0))
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_axis_off()
    return figure


def filters_figure(filters: Filters) -> "Figure":
    """Draw filters (height, width, channels, filters): of colour images in colour, each over its own full range."""
    low, high = filters.min(axis=(0, 1, 2)), filters.max(axis=(0, 1, 2))
    stretched = np.round(255 * (filters - low) / np.where(high > low, high - low, 1)).astype(np.uint8)
    shown = stretched if filters.shape[2] == 3 else stretched[:, :, :1]
    return sheet(list(np.moveaxis(shown, -1, 0)), 16, title="filters of the first convolution")


def maps_figure(images: Pixels, maps: Maps, layer: str) -> "Figure":
    """Draw feature maps (images, height, width, maps), those of an image in a row behind it."""
    tiles: list[Pixels] = []
    for image, row in zip(images, maps, strict=True):
        tiles += [image, *np.moveaxis(row, -1, 0)]
    return sheet(tiles, 1 + maps.shape[-1], title=layer)


def short(text: str, length: int) -> str:
    """Return a text that is no longer than this, cut in its middle."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def _ink(axes: "Axes") -> str:
    """Return the colour of words on the page."""
    return str(axes.title.get_color())
