"""Data sets of TensorFlow Datasets, in the form in which it keeps them on disk.

A package and not a module, since each module of `gristmill.sources.rows` is a kind of source (`kinds.py`).
"""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.settings.base import Settings, SourceLocation

_ANY_VERSION = "[0-9]*.[0-9]*.[0-9]*"  # of whole ones: a folder that is being written is named otherwise
_BATCH = 256  # examples read at once


@dataclass(frozen=True)
class Example:
    """One labelled example, its bytes as they were stored."""

    id: str  # unique in its data set
    content: bytes
    label: str  # name of the class
    part: str  # train, validation or test


def _data_dir(data_dir: object) -> str:
    return str(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


class Dataset(Settings):
    """A data set of TensorFlow Datasets with one label an example."""

    name: str = Field(pattern=r"^\w+$")  # such as horses_or_humans
    config: str | None = None  # of a data set that has several
    version: str | None = Field(default=None, pattern=r"^\d+\.\d+\.\d+$")  # the newest that is there if not set
    train: str = Field(default="train", min_length=1)  # split, such as "train[:80%]"
    validation: str | None = Field(default=None, min_length=1)  # split; drawn by preprocess if not set
    test: str | None = Field(default=None, min_length=1)  # split; drawn by preprocess if not set
    folder: SourceLocation = ""  # of the version's files; follows from the keys above and the next one if not set

    # What says where to look and what to do where nothing is there changes no result: it is not in the key.
    data_dir: str | None = Field(default=None, exclude=True)  # TFDS_DATA_DIR or else TFDS's own default if not set
    download: bool = Field(default=False, exclude=True)  # before a run, where it is not there

    @model_validator(mode="before")
    @classmethod
    def _name_the_folder(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name, config, version = (str(given.get(key) or "") for key in ("name", "config", "version"))
        above = "/".join(filter(None, (_data_dir(given.get("data_dir")), name, config)))
        return {"folder": f"{above}/{version}" if version else f"{glob.escape(above)}/{_ANY_VERSION}/*"} | given

    def fetch(self, root: Path) -> None:
        """Download the data set where that is asked for and it is not there; called before its place is located.

        Args:
            root: the project's folder.

        Raises:
            DataError: it is not there, and may not or cannot be downloaded.
        """
        try:
            locate(self.folder, root, f"TFDS data set {self.name!r}", downloads=root)
        except DataError as missing:
            if not self.download:
                raise DataError(f"{missing} Or set the source's download = true.") from None
            self._download(root / Path(_data_dir(self.data_dir)).expanduser())

    def class_names(self, paths: Sequence[Path]) -> list[str]:
        """Return the classes in the order of their labels."""
        builder = _builder(paths)
        names: list[str] = builder.info.features[_feature(builder, "ClassLabel")].names
        return names

    def examples(self, paths: Sequence[Path], kind: Literal["Image", "Text"]) -> Iterator[Example]:
        """Yield the examples of each part, in the order of their records.

        Args:
            paths: the located files of `folder`.
            kind: of the feature that is the content; images stay encoded.

        Raises:
            DataError: a file is damaged, a split is not there, holds an example twice or one of another split, or has
                no labels.
        """
        builder = _builder(paths)
        names = self.class_names(paths)
        part_of: dict[str, str] = {}
        for part, split in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            for id_, content, label in _records(builder, split, kind) if split else ():
                if id_ in part_of:
                    twice = f"twice in {part}" if part_of[id_] == part else f"in {part_of[id_]} and in {part}"
                    raise DataError(f"{builder.data_path}: {id_} is {twice}. Let the splits not overlap.")
                part_of[id_] = part
                if label < 0:
                    raise DataError(f"{builder.data_path}: {id_} has no label. Take another split than {split!r}.")
                yield Example(id_, content, names[label], part)

    def _download(self, data_dir: Path) -> None:
        import tensorflow_datasets as tfds

        name = f"{self.name}{f'/{self.config}' * bool(self.config)}{f':{self.version}' * bool(self.version)}"
        with _told(f"TFDS data set {name}", "Correct its name, or prepare it by hand and set the source's data_dir."):
            tfds.builder(name, data_dir=data_dir).download_and_prepare()


def folder_of(paths: Sequence[Path]) -> Path:
    """Return the folder of the newest version among the files.

    Raises:
        DataError: there is none.
    """
    folders = [path.parent for path in paths if path.name == "dataset_info.json"]
    if not folders:
        raise DataError(
            f"{paths[0].parent}: no dataset_info.json. Expected the folder of a version, as TFDS writes it."
        )
    return max(folders, key=lambda folder: [int(number) for number in re.findall(r"\d+", folder.name)])


def _builder(paths: Sequence[Path]) -> Any:
    """Return what reads the newest version: from disk alone, whether TFDS knows the data set or not."""
    import tensorflow_datasets as tfds

    newest = folder_of(paths)
    with _told(str(newest), "Prepare it again."):
        return tfds.builder_from_directory(newest)


def _feature(builder: Any, kind: str) -> str:
    """Return the name of the feature of a kind: the only one, or the one that the data set is supervised by."""
    import tensorflow_datasets as tfds

    features = builder.info.features.items()
    names: list[str] = [name for name, feature in features if isinstance(feature, getattr(tfds.features, kind))]
    found = [name for name in names if name in (builder.info.supervised_keys or ())] or names
    if len(found) != 1:
        there = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features)
        raise DataError(f"{builder.data_path}: {len(found)} features {kind}. Expected one. There are: {there}.")
    return found[0]


def _records(builder: Any, split: str, kind: str) -> Iterator[tuple[str, bytes, int]]:
    """Yield the id, the content and the label of each example of a split."""
    import tensorflow_datasets as tfds

    content, label = _feature(builder, kind), _feature(builder, "ClassLabel")
    encoded = {content: tfds.decode.SkipDecoding()} if kind == "Image" else None
    wanted = tfds.decode.PartialDecoding({content: True, label: True}, encoded)
    in_order = tfds.ReadConfig(add_tfds_id=True, try_autocache=False, interleave_cycle_length=1)
    there = f"Splits: {', '.join(builder.info.splits)}."
    with _told(f"{builder.data_path}, split {split!r}", there):
        dataset = builder.as_dataset(split=split, decoders=wanted, read_config=in_order)
        for batch in dataset.batch(_BATCH).as_numpy_iterator():
            ids = (id_.decode() for id_ in batch["tfds_id"])
            yield from zip(ids, batch[content], batch[label].tolist(), strict=True)


@contextmanager
def _told(what: str, remedy: str) -> Iterator[None]:
    """Tell in one line of what TFDS cannot do."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    try:
        yield
    except (
        AssertionError,  # a version or config that is not there
        ImportError,  # a library that only this data set needs
        NotImplementedError,  # a file format that TensorFlow does not read
        OSError,
        ValueError,
        tf.errors.OpError,
        tfds.download.DownloadError,
        tfds.download.download_manager.NonMatchingChecksumError,
        tfds.download.extractor.ExtractError,
    ) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DataError(f"{what}: {reason} {remedy}") from None
