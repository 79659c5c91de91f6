"""Records are found again where they were said to lie, by a plain read and by TensorFlow."""

import errno
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.vision.shards import (
    ShardPosition,
    image_of,
    open_shards,
    read_record,
    serialise,
    shard_path,
    write_shard,
)


def written(folder: Path, records: list[bytes], full: int) -> list[ShardPosition]:
    folder.mkdir(exist_ok=True)
    with open_shards(folder, full) as shards:
        return [shards.add(record) for record in records]


@settings(max_examples=15)
@given(records=st.lists(st.binary(max_size=60), max_size=12), full=st.integers(1, 200))
def test_records_are_found_again(records: list[bytes], full: int) -> None:
    with TemporaryDirectory() as name:
        places = written(Path(name), records, full)

        assert [read_record(Path(name), place) for place in places] == records
        paths = [
            str(shard_path(Path(name), shard)) for shard in range(1 + max((place.shard for place in places), default=0))
        ]
        assert sorted(map(str, Path(name).iterdir())) == paths
        assert list(tf.data.TFRecordDataset(paths).as_numpy_iterator()) == records


def test_a_shard_is_full_once_it_holds_enough(tmp_path: Path) -> None:
    places = written(tmp_path, [b"a" * 34, b"b" * 34, b"c" * 35, b"d"], full=100)

    assert places == [
        ShardPosition(0, 12, 34),
        ShardPosition(0, 62, 34),
        ShardPosition(1, 12, 35),
        ShardPosition(1, 63, 1),
    ]
    assert [path.stat().st_size for path in sorted(tmp_path.iterdir())] == [100, 68]


def test_no_records_leave_an_empty_shard(tmp_path: Path) -> None:
    assert written(tmp_path, [], full=10) == []
    assert shard_path(tmp_path, 0).read_bytes() == b""


def test_equal_examples_are_equal_bytes_whatever_the_order_of_features() -> None:
    one, other = serialise(image=b"x", label=3, id=b"i"), serialise(id=b"i", label=3, image=b"x")

    assert one == other
    assert serialise(image=b"x", label=4, id=b"i") != one


def test_features_are_read_back(tmp_path: Path) -> None:
    records = [serialise(image=b"\x00\xff", label=3), serialise(image=b"", label=-1)]
    write_shard(tmp_path / "one.tfrecord", iter(records))

    found = list(tf.data.TFRecordDataset(str(tmp_path / "one.tfrecord")).as_numpy_iterator())
    parsed = tf.io.parse_example(
        found, {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
    )

    assert found == records
    assert [image_of(record) for record in records] == parsed["image"].numpy().tolist() == [b"\x00\xff", b""]
    assert parsed["label"].numpy().tolist() == [3, -1]


@pytest.mark.fault(15)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_told_as_python_tells_it(tmp_path: Path) -> None:
    shard_path(tmp_path, 0).symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left") as first:
        written(tmp_path, [bytes(100_000)] * 20, full=1 << 30)
    with pytest.raises(OSError, match="No space left") as second:
        write_shard(Path("/dev/full"), [b"held back until it is closed"])
    assert first.value.errno == second.value.errno == errno.ENOSPC
    assert second.value.filename == "/dev/full"
