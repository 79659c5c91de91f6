"""TFRecord files of photos: written one record after the other, and read back by position.

A record is a serialised `tf.train.Example`. An uncompressed file holds length and checksum before each record and a
checksum after it, 16 bytes in all (https://www.tensorflow.org/tutorials/load_data/tfrecord).
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.training.tf_disk_errors import translate_tf_disk_errors

_HEADER_BYTES, _FOOTER_BYTES = 12, 4  # bytes before and after a record


@dataclass(frozen=True)
class ShardPosition:
    """Position of a record."""

    shard: int
    offset: int  # of its first byte after the header
    size: int  # bytes without header and footer


class ShardWriter:
    """Writer of records to shards of one folder; a new shard begins after `shard_bytes`. Use `open_shards`."""

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self._folder, self._shard_bytes = folder, shard_bytes
        self._number, self._end = 0, 0
        self._writer = tf.io.TFRecordWriter(str(shard_path(folder, 0)))

    def add(self, record: bytes) -> ShardPosition:
        """Write a record and return its position."""
        if self._end >= self._shard_bytes:
            self._writer.close()
            self._number, self._end = self._number + 1, 0
            self._writer = tf.io.TFRecordWriter(str(shard_path(self._folder, self._number)))
        self._writer.write(record)
        position = ShardPosition(self._number, self._end + _HEADER_BYTES, len(record))
        self._end += _HEADER_BYTES + len(record) + _FOOTER_BYTES
        return position

    def close(self) -> None:
        """Flush and close the last shard."""
        self._writer.close()


@contextmanager
def open_shards(folder: Path, shard_bytes: int) -> Iterator[ShardWriter]:
    """Open a writer of shards within a block; a full or broken disk raises `OSError`."""
    with translate_tf_disk_errors(folder), closing(ShardWriter(folder, shard_bytes)) as writer:
        yield writer


def shard_path(folder: Path, shard: int) -> Path:
    """Return the path of a shard of `ShardWriter`."""
    return folder / f"photos-{shard:05d}.tfrecord"


def read_record(folder: Path, position: ShardPosition) -> bytes:
    """Return a record that `ShardWriter` wrote."""
    with shard_path(folder, position.shard).open("rb") as file:
        file.seek(position.offset)
        return file.read(position.size)


def write_shard(path: Path, records: Iterable[bytes]) -> None:
    """Write all records of a shard; a full or broken disk raises `OSError`."""
    with translate_tf_disk_errors(path), tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def serialise(**features: bytes | int) -> bytes:
    """Return features as a serialised example; equal features give equal bytes."""

    def feature(value: bytes | int) -> Any:
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    example = tf.train.Features(feature={name: feature(value) for name, value in features.items()})
    return bytes(tf.train.Example(features=example).SerializeToString(deterministic=True))


def image_of(record: bytes) -> bytes:
    """Return the feature `image` of a serialised example."""
    return bytes(tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0])
