"""Small photos of classes that can be told apart: as files in folders, and in TFDS's own form."""

import colorsys
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def photo(kind: int, kinds: int, generator: np.random.Generator, form: str = "JPEG", size: int | None = None) -> bytes:
    """Return an encoded photo: a shape in its class's colour, anywhere on noise; 32 to 48 pixels a side if not told."""
    height, width = (size, size) if size else generator.integers(32, 49, 2).tolist()
    image = Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8))
    red, green, blue = (round(255 * share) for share in colorsys.hsv_to_rgb(kind / kinds, 1, 1))
    radius = int(generator.integers(8, 12))
    x, y = (int(generator.integers(radius, side - radius + 1)) for side in (width, height))
    box = [(x - radius, y - radius), (x + radius, y + radius)]
    draw = ImageDraw.Draw(image)
    shape = (draw.ellipse, draw.rectangle, draw.chord)[kind % 3]
    shape(box, fill=(red, green, blue), **({"start": 0, "end": 180} if shape == draw.chord else {}))
    encoded = io.BytesIO()
    image.save(encoded, form)
    return encoded.getvalue()


def write_photos(folder: Path, classes: Sequence[str], per_class: int, seed: int = 0) -> list[Path]:
    """Write JPEG photos `CLASS/0000.jpg`, … below a folder and return their paths, class by class."""
    generator = np.random.default_rng(seed)
    written = []
    for kind, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            written.append(folder / name / f"{number:04}.jpg")
            written[-1].write_bytes(photo(kind, len(classes), generator))
    return written


def write_tfds(
    folder: Path,
    name: str,
    classes: Sequence[str],
    counts: Mapping[str, int],
    version: str = "1.0.0",
    config: str | None = None,
    seed: int = 0,
) -> Path:
    """Write a data set as TFDS writes one, offline, and return the folder of its version.

    Args:
        folder: what TFDS calls `data_dir`.
        name: of the data set.
        classes: in the order of their labels.
        counts: photos in each split; the classes take turns.
        version: of the data set.
        config: of the data set, if it has any.
        seed: of the photos.
    """
    import tensorflow_datasets as tfds

    generator = np.random.default_rng(seed)
    splits = {
        split: [
            (
                number,
                {
                    "image": io.BytesIO(photo(number % len(classes), len(classes), generator)),
                    "label": number % len(classes),
                },
            )
            for number in range(count)
        ]
        for split, count in counts.items()
    }
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name,
        version,
        tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=list(classes)),
            }
        ),
        splits,
        config=config,
        data_dir=folder,
        disable_shuffling=True,
    )
    return Path(builder.data_dir)
