"""Report on image classifiers: scores, errors, calibration, training, filters and feature maps, data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gristmill.domains.common.classification import report
from gristmill.domains.common.classification.report import headline_picture
from gristmill.domains.vision import dataset, feature_maps
from gristmill.domains.vision.dataset import Pixels
from gristmill.domains.vision.feature_maps import Filters, Maps
from gristmill.errors import count_of
from gristmill.reports.learning import network_section
from gristmill.reports.pictures import as_svg, canvas
from gristmill.reports.sections import Section, Table
from gristmill.util.table_io import read_document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["headline_picture", "sections"]
_MAX_IMAGES_LISTED = 30  # in a table
_WIDTH = 10.0  # inches of a figure
_GAP = 0.08  # gap between tiles, as a share of a tile's width
_TITLE = 0.3  # inches


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report from the folders of a run's artifacts."""
    yield from report.evaluation_sections(report.read_evaluation(folders))
    yield from feature_map_sections(folders["evaluate"])
    yield network_section(folders["evaluate"])
    yield from sample_sections(folders["train"])
    yield data_section(folders)


def feature_map_sections(evaluated: Path) -> Iterator[Section]:
    """Yield the filters of the first convolution, and feature maps of a few test images."""
    mapped = feature_maps.read(evaluated)
    if mapped is None:
        return
    pictures = [as_svg(filters_figure(mapped.filters), "Filters of the first convolution")]
    for layer, maps in mapped.maps.items():
        figure = maps_figure(mapped.images, maps, layer)
        pictures.append(as_svg(figure, f"Images and their feature maps in layer {layer}"))
    note = (
        f"Filters of the first convolution (at most {feature_maps.MAX_FILTERS}), and feature maps of images of the "
        f"test set: the {feature_maps.MAX_MAPS} maps of a layer that vary most over these images."
    )
    yield Section("What the network sees", note, pictures=pictures)


def sample_sections(train: Path) -> Iterator[Section]:
    """Yield training images with their augmented variants, if images are augmented."""
    if not (train / "samples.npy").exists():
        return
    samples = np.load(train / "samples.npy", allow_pickle=False)
    tiles = feature_maps.thumbnails(samples.reshape(-1, *samples.shape[2:]))
    note = "Training images, first in each row, and random augmented variants as in every epoch."
    picture = as_svg(draw_tiles(list(tiles), samples.shape[1]), "Training images and random variants")
    yield Section("Augmented samples", note, [picture])


def data_section(folders: dict[str, Path]) -> Section:
    """Return counts of images by class and part, images left out, and duplicates."""
    data = dataset.read(folders["preprocess"])
    layout, index = data.layout, data.index
    skipped = read_document(folders["ingest"] / "summary.json")["skipped"]
    copies = read_document(folders["preprocess"] / "summary.json")
    note = (
        f"{len(index):,} images of {len(layout.classes)} classes, at {layout.height} x {layout.width} pixels and "
        f"{count_of(layout.channels, 'channels')}; "
        + (f"{len(skipped):,} left out." if skipped else "none was left out.")
        + report.duplicates_note(copies)
    )
    tables = [report.counts_table(data)]
    if skipped:
        shown = [[photo["id"], photo["reason"]] for photo in skipped[:_MAX_IMAGES_LISTED]]
        title = "Left out" if len(shown) == len(skipped) else f"Left out: the first {len(shown)} of {len(skipped):,}"
        tables.append(Table(title, ["image", "reason"], shown))
    return Section("Data", note, tables=tables)


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
    stretched = feature_maps.as_levels(filters)
    shown = stretched if filters.shape[2] == 3 else stretched[:, :, :1]
    return draw_tiles(list(np.moveaxis(shown, -1, 0)), 16, title="filters of the first convolution")


def maps_figure(images: Pixels, maps: Maps, layer: str) -> "Figure":
    """Draw feature maps (images, height, width, maps) in rows, each after its image."""
    tiles: list[Pixels] = []
    for image, row in zip(images, maps, strict=True):
        tiles += [image, *np.moveaxis(row, -1, 0)]
    return draw_tiles(tiles, 1 + maps.shape[-1], title=layer)
