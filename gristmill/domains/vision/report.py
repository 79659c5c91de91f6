"""Report on image classifiers: scores, errors, calibration, training, filters and feature maps, data."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gristmill.domains.common.classification import report
from gristmill.domains.common.classification.report import headline_picture
from gristmill.domains.vision import dataset, feature_maps, plots
from gristmill.errors import count_of
from gristmill.reports.learning import network_section
from gristmill.reports.pictures import as_svg
from gristmill.reports.sections import Section, Table
from gristmill.util.table_io import read_document

__all__ = ["headline_picture", "sections"]

_MAX_IMAGES_LISTED = 30  # in a table


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report from the folders of a run's artifacts."""
    yield from report.evaluation_sections(report.read_evaluation(folders))
    yield from feature_map_sections(folders["evaluate"])
    yield network_section(folders["evaluate"])
    yield from sample_sections(folders["train"])
    yield data_section(folders)


def feature_map_sections(evaluated: Path) -> Iterator[Section]:
    """Yield the filters of the first convolution, and feature maps of a few test images."""
    found = feature_maps.read(evaluated)
    if found is None:
        return
    pictures = [as_svg(plots.filters_figure(found.filters), "Filters of the first convolution")]
    pictures += [
        as_svg(plots.maps_figure(found.images, maps, layer), f"Images and their feature maps in layer {layer}")
        for layer, maps in found.maps.items()
    ]
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
    yield Section(
        "Augmented samples",
        note,
        [as_svg(plots.draw_tiles(list(tiles), samples.shape[1]), "Training images and random variants")],
    )


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
