"""Photos of TensorFlow Datasets."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from gristmill.sources.datasets import Dataset
from gristmill.sources.photo import Photo


class Tfds(Dataset):
    """A TensorFlow Datasets data set with one image and one label per example."""

    kind: Literal["tfds"]

    def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
        """Yield the photos of each part as encoded, in the order of their records; see `Dataset.examples`."""
        for example in self.examples(paths, "Image"):
            yield Photo(example.id, example.content, example.label, example.part)
