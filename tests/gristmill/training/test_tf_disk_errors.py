"""What TensorFlow says of a disk, said as Python does; all else it says is left alone."""

import errno
import os
from pathlib import Path

import pytest
import tensorflow as tf

from gristmill.training.tf_disk_errors import translate_tf_disk_errors
from helpers.failing import limited

RECORDS = [bytes(1000)] * 200


def write(path: Path) -> None:
    with translate_tf_disk_errors(path), tf.io.TFRecordWriter(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)


@pytest.mark.fault(15)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_told_with_its_number_and_the_file() -> None:
    with pytest.raises(OSError, match="No space left on device") as raised:
        write(Path("/dev/full"))
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "/dev/full")


@pytest.mark.fault(15)
def test_a_file_that_may_not_grow_is_told_so(tmp_path: Path) -> None:
    with limited(1000), pytest.raises(OSError, match="File too large") as raised:
        write(tmp_path / "records")
    assert raised.value.errno == errno.EFBIG


def test_a_folder_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        write(tmp_path / "none/records")


@pytest.mark.parametrize("behind", ["", " [Op:SaveV2]"])
def test_words_that_begin_like_others_are_not_taken_for_them(tmp_path: Path, behind: str) -> None:
    with pytest.raises(OSError, match="Not a directory") as raised, translate_tf_disk_errors(tmp_path):
        raise tf.errors.FailedPreconditionError(None, None, f"{tmp_path}; {os.strerror(errno.ENOTDIR)}{behind}")
    assert raised.value.errno == errno.ENOTDIR


def test_what_is_no_failure_of_the_disk_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError), translate_tf_disk_errors(tmp_path):
        tf.reshape(tf.zeros(3), (2, 2))
