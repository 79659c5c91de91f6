"""Data sets of TensorFlow Datasets (TFDS), read from the files that it prepares on disk."""

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


@dataclass(frozen=True)
class Example:
    """One labelled example, its content as stored."""

    id: str  # unique in its data set
    content: bytes
    label: str  # name of the class
    part: str  # train, validation or test


def _data_dir(data_dir: object) -> str:
    return str(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


class Dataset(Settings):
    """A data set of TensorFlow Datasets with one label an example."""

    name: str = Field(pattern=r"^\w+$")  # name of the data set, such as horses_or_humans
    config: str | None = None  # configuration, for a data set that has several
    version: str | None = Field(default=None, pattern=r"^\d+\.\d+\.\d+$")  # version; default: the newest prepared one
    train: str = Field(default="train", min_length=1)  # split for training, such as "train[:80%]"
    validation: str | None = Field(default=None, min_length=1)  # split; default: drawn by preprocess
    test: str | None = Field(default=None, min_length=1)  # split; default: drawn by preprocess
    folder: SourceLocation = ""  # folder of the version's files; default: derived from the keys above and data_dir

    # These two say where the data comes from, which changes no result, so they are not part of the key.
    data_dir: str | None = Field(default=None, exclude=True)  # TFDS data folder; default: TFDS_DATA_DIR or TFDS's own
    download: bool = Field(default=False, exclude=True)  # download the data set before a run if it is missing

    @model_validator(mode="before")
    @classmethod
    def _set_folder(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        name, config, version = (str(raw.get(key) or "") for key in ("name", "config", "version"))
        parent = "/".join(filter(None, (_data_dir(raw.get("data_dir")), name, config)))
        # The pattern of a version does not match the folder that TFDS is still writing.
        pattern = f"{glob.escape(parent)}/[0-9]*.[0-9]*.[0-9]*/*"
        return {"folder": f"{parent}/{version}" if version else pattern} | raw

    def fetch(self, root: Path) -> None:
        """Download the data set if it is missing and `download` is set; `root` is the project's folder.

        Raises:
            DataError: it is missing and cannot be downloaded.
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
        """Yield the examples of each part in the order of their records; images stay encoded.

        Raises:
            DataError: a file is damaged, or a split is missing, overlaps another or has no labels.
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
        remedy = "Correct its name, or prepare it by hand and set the source's data_dir."
        with _errors_in_one_line(f"TFDS data set {name}", remedy):
            tfds.builder(name, data_dir=data_dir).download_and_prepare()


def folder_of(paths: Sequence[Path]) -> Path:
    """Return the folder of the newest version among the files; raise `DataError` if there is none."""
    folders = [path.parent for path in paths if path.name == "dataset_info.json"]
    if not folders:
        raise DataError(f"{paths[0].parent}: no dataset_info.json. Expected the folder of a version, written by TFDS.")
    return max(folders, key=lambda folder: [int(number) for number in re.findall(r"\d+", folder.name)])


def _builder(paths: Sequence[Path]) -> Any:
    """Return a TFDS builder of the newest version, made from its files alone."""
    import tensorflow_datasets as tfds

    newest = folder_of(paths)
    with _errors_in_one_line(str(newest), "Prepare it again."):
        return tfds.builder_from_directory(newest)


def _feature(builder: Any, kind: str) -> str:
    """Return the name of the only feature of a kind, or of the one among the supervised keys."""
    import tensorflow_datasets as tfds

    features = builder.info.features.items()
    names: list[str] = [name for name, feature in features if isinstance(feature, getattr(tfds.features, kind))]
    names = [name for name in names if name in (builder.info.supervised_keys or ())] or names
    if len(names) != 1:
        known = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features)
        raise DataError(f"{builder.data_path}: {len(names)} features {kind}. Expected one. Features: {known}.")
    return names[0]


def _records(builder: Any, split: str, kind: str) -> Iterator[tuple[str, bytes, int]]:
    """Yield the id, the content and the label of each example of a split."""
    import tensorflow_datasets as tfds

    content = _feature(builder, kind)
    label = _feature(builder, "ClassLabel")
    encoded = {content: tfds.decode.SkipDecoding()} if kind == "Image" else None
    wanted = tfds.decode.PartialDecoding({content: True, label: True}, encoded)
    in_order = tfds.ReadConfig(add_tfds_id=True, try_autocache=False, interleave_cycle_length=1)
    splits = f"Splits: {', '.join(builder.info.splits)}."
    with _errors_in_one_line(f"{builder.data_path}, split {split!r}", splits):
        dataset = builder.as_dataset(split=split, decoders=wanted, read_config=in_order)
        for batch in dataset.batch(256).as_numpy_iterator():
            ids = (id_.decode() for id_ in batch["tfds_id"])
            yield from zip(ids, batch[content], batch[label].tolist(), strict=True)


@contextmanager
def _errors_in_one_line(what: str, remedy: str) -> Iterator[None]:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    try:
        yield
    except (
        AssertionError,  # an unknown version or config
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
