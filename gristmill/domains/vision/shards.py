"""Records in TFRecord files: written one after the other, and found again by where they lie.

A record is a serialised `tf.train.Example`. In a file that is not compressed it takes its own bytes and 16 more:
length and checksum before it, checksum after it (https://www.tensorflow.org/tutorials/load_data/tfrecord).
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.training.tf_disk_errors import translate_tf_disk_errors

_BEFORE, _AFTER = 12, 4  # bytes around a record


@dataclass(frozen=True)
class ShardPosition:
    """Where a record lies."""

    shard: int
    offset: int  # of its first own byte
    size: int  # own bytes


class Shards:
    """Shards of one folder that are filled one after the other; open them with `filling`."""

    def __init__(self, folder: Path, full: int) -> None:
        self._folder = folder
        self._full = full
        self._number = 0
        self._end = 0
        self._writer = tf.io.TFRecordWriter(str(path_of(folder, 0)))

    def add(self, record: bytes) -> ShardPosition:
        """Write a record and return where it lies."""
        if self._end >= self._full:
            self._writer.close()
            self._number, self._end = self._number + 1, 0
            self._writer = tf.io.TFRecordWriter(str(path_of(self._folder, self._number)))
        self._writer.write(record)
        place = ShardPosition(self._number, self._end + _BEFORE, len(record))
        self._end += _BEFORE + len(record) + _AFTER
        return place

    def close(self) -> None:
        """Write what is still held back."""
        self._writer.close()


@contextmanager
def filling(folder: Path, full: int) -> Iterator[Shards]:
    """Open shards of a folder within a block.

    Args:
        folder: where they are written.
        full: bytes after which the next one is begun.

    Raises:
        OSError: the disk is full or broken.
    """
    with translate_tf_disk_errors(folder), closing(Shards(folder, full)) as shards:
        yield shards


def path_of(folder: Path, shard: int) -> Path:
    """Return the path of a shard that `Shards` writes."""
    return folder / f"photos-{shard:05d}.tfrecord"


def read(folder: Path, place: ShardPosition) -> bytes:
    """Return a record of `Shards`."""
    with path_of(folder, place.shard).open("rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def write(path: Path, records: Iterable[bytes]) -> None:
    """Write a shard as a whole.

    Raises:
        OSError: the disk is full or broken.
    """
    with translate_tf_disk_errors(path), tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def example(**features: bytes | int) -> bytes:
    """Return features as a serialised example; equal ones give equal bytes."""
    given = {name: _feature(value) for name, value in features.items()}
    serialised: bytes = tf.train.Example(features=tf.train.Features(feature=given)).SerializeToString(
        deterministic=True
    )
    return serialised


def bytes_of(record: bytes, feature: str) -> bytes:
    """Return a feature of bytes of a serialised example."""
    value: bytes = tf.train.Example.FromString(record).features.feature[feature].bytes_list.value[0]
    return value


def _feature(value: bytes | int) -> Any:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
