"""Plots of a report on image classifiers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gristmill.domains.vision.dataset import Pixels
from gristmill.domains.vision.feature_maps import Filters, Maps
from gristmill.reports.pictures import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 10.0  # inches of a figure
_GAP = 0.08  # gap between tiles, as a share of a tile's width
_TITLE = 0.3  # inches


def draw_tiles(tiles: Sequence[Pixels], columns: int, title: str = "") -> "Figure":
    """Draw images (height, width, channels) of equal shape in rows."""
    ratio, rows = tiles[0].shape[0] / tiles[0].shape[1], -(-len(tiles) // columns)
    across, down = 1 + _GAP, ratio + _GAP
    figure, (axes,) = canvas(_WIDTH * rows * down / (columns * across) + (_TITLE if title else 0))
    for at, tile in enumerate(tiles):
        left, top = at % columns * across, at // columns * down
        place = (left, left + 1, top + ratio, top)
        axes.imshow(tile, cmap="gray", vmin=0, vmax=255, extent=place, interpolation="none")  # as it is stored
    axes.set(xlim=(0, columns * across), ylim=(rows * down, 0))
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_axis_off()
    return figure


def filters_figure(filters: Filters) -> "Figure":
    """Draw filters (height, width, channels, filters), each over its own range, in colour for colour images."""
    low, high = filters.min(axis=(0, 1, 2)), filters.max(axis=(0, 1, 2))
    stretched = np.round(255 * (filters - low) / np.where(high > low, high - low, 1)).astype(np.uint8)
    shown = stretched if filters.shape[2] == 3 else stretched[:, :, :1]
    return draw_tiles(list(np.moveaxis(shown, -1, 0)), 16, title="filters of the first convolution")


def maps_figure(images: Pixels, maps: Maps, layer: str) -> "Figure":
    """Draw feature maps (images, height, width, maps) in rows, each after its image."""
    tiles: list[Pixels] = []
    for image, row in zip(images, maps, strict=True):
        tiles += [image, *np.moveaxis(row, -1, 0)]
    return draw_tiles(tiles, 1 + maps.shape[-1], title=layer)
