"""Compare the speed of gristmill's photo pipeline with Keras' `ImageDataGenerator`, in one process and in turn.

    python benchmarks/images.py DATA_DIR     # folder of TensorFlow Datasets with cats_vs_dogs

augmented     photos of 150x150x3 in memory, batches of 32, with the course's augmentation; compared with
              `random_transform`
delivered     batches of 32 from the raw shards of preprocess (the network rescales them); compared with
              `flow_from_directory`, which decodes, resizes and rescales every photo in every epoch
both          the same with the course's augmentation
once          the seconds of ingest and preprocess before the first epoch

gristmill uses all cores, `ImageDataGenerator` uses one. The ratio is also given in CPU time, because seconds depend on
the load of the machine.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from measuring import arguments, table, tell

from gristmill.domains.vision import dataset
from gristmill.domains.vision.augment import augment_images
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.ingest import ingest
from gristmill.domains.vision.preprocess import preprocess
from gristmill.domains.vision.settings import Augment, Ingest, Preprocess
from gristmill.sources.images.folder import Folder

SIDE = 150
BATCH = 32
ROUNDS = 7
IN_MEMORY = 20 * BATCH

OURS = Augment(rotation=40, shift=0.2, shear=0.2, zoom=0.2, horizontal_flip=True, fill="nearest")
AUGMENTATION = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "fill_mode": "nearest",
}
"""The course's augmentation as settings of gristmill and as arguments of Keras."""

Generator = tf.keras.preprocessing.image.ImageDataGenerator  # legacy, used only in benchmarks
Delivery = Callable[[], int]  # returns the number of delivered images


def write_photos(data_dir: Path, folder: Path, split: str = "train", name: str = "cats_vs_dogs") -> None:
    """Write the encoded photos of a data set, one folder for each class."""
    builder = tfds.builder(name, data_dir=data_dir)
    examples = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    names = builder.info.features["label"].names
    for name in names:
        (folder / name).mkdir(parents=True)
    for number, example in enumerate(examples.as_numpy_iterator()):
        (folder / names[example["label"]] / f"{number:05d}.jpg").write_bytes(example["image"])


def prepare(photos: Path, place: Path) -> Prepared:
    """Write shards of photos with ingest and preprocess."""
    first, second = place / "ingest", place / "preprocess"
    first.mkdir()
    second.mkdir()
    source = Folder(kind="folder", path=str(photos))
    ingest(source=source, ingest=Ingest(), out=first, paths=tuple(sorted(photos.glob("*/*"))))
    preprocess(preprocess=Preprocess(size=(SIDE, SIDE), validation=0), ingest=first, out=second)
    return dataset.read(second)


def augmenting(data: Prepared) -> tuple[Delivery, Delivery]:
    """Return a function for gristmill and one for Keras that augment photos in memory."""
    pixels = data.pixels("train")[:IN_MEMORY]
    batches = [tf.constant(pixels[begin : begin + BATCH]) for begin in range(0, IN_MEMORY, BATCH)]
    photos = pixels.astype("float32")
    change = tf.function(lambda batch, seed: augment_images(batch, OURS, seed))
    generator = Generator(**AUGMENTATION)

    def ours() -> int:
        return sum(len(change(batch, tf.constant([0, number]))) for number, batch in enumerate(batches))

    def theirs() -> int:
        return len([generator.random_transform(photo) for photo in photos])

    return ours, theirs


def delivering(data: Prepared, photos: Path, augment: bool) -> tuple[Delivery, Delivery]:
    """Return a function for gristmill and one for Keras that deliver the photos of one epoch."""

    def change(number: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        pixels, labels = batch
        return augment_images(pixels, OURS, tf.stack([tf.constant(0, tf.int64), number])), labels

    batches = data.dataset("train", BATCH)
    if augment:
        batches = batches.enumerate().map(change, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    generator = Generator(rescale=1 / 255, **(AUGMENTATION if augment else {}))
    flow = generator.flow_from_directory(photos, target_size=(SIDE, SIDE), batch_size=BATCH, class_mode="binary")

    def ours() -> int:
        return sum(len(labels) for _, labels in batches)

    def theirs() -> int:
        return sum(len(flow[number][1]) for number in range(len(flow)))

    return ours, theirs


def compared(name: str, ways: tuple[Delivery, Delivery]) -> list[str]:
    """Return one row of the table: medians of alternating rounds."""
    rounds = np.array([[rates(way) for way in ways] for _ in range(ROUNDS)])  # (rounds, ways, clocks)
    (ours, ours_busy), (theirs, theirs_busy) = np.median(rounds, axis=0)
    return [name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.1f}", f"{ours_busy / theirs_busy:.1f}"]


def rates(deliver: Delivery) -> tuple[float, float]:
    """Return the images delivered per second, and per second of CPU time."""
    began, busy = time.perf_counter(), time.process_time()
    count = deliver()
    return count / (time.perf_counter() - began), count / (time.process_time() - busy)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("data_dir", type=Path)
    asked = parser.parse_args()
    keras.utils.disable_interactive_logging()  # the generator prints the number of photos
    with TemporaryDirectory() as folder:
        photos, place = Path(folder) / "photos", Path(folder)
        write_photos(asked.data_dir, photos)
        began = time.perf_counter()
        data = prepare(photos, place)
        once = time.perf_counter() - began
        rows = [
            compared("augmented in memory", augmenting(data)),
            compared("delivered", delivering(data, photos, augment=False)),
            compared("delivered and augmented", delivering(data, photos, augment=True)),
        ]
    once_told = f"Ingest and preprocess take {once:.1f} s once for {len(data.index):,} photos."
    told = f"Medians of {ROUNDS} alternating rounds. {once_told}"
    columns = ["images/s", "gristmill", "`ImageDataGenerator`", "ratio", "ratio of CPU time"]
    tell("Photos", [*table(columns, rows), "", told], asked.write)


if __name__ == "__main__":
    main()
