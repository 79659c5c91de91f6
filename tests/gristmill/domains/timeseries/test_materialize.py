"""Windows as TFRecord shards are read back by plain tf.data, and are those that training gathers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries import materialize
from gristmill.domains.timeseries.dataset import PARTS, Prepared
from helpers.small_runs import assembled

DATA = assembled(
    *(np.random.default_rng(seed).normal(50, 9, size=(40, 4)) for seed in (0, 1)),
    inputs=1,
    known=1,
    history=5,
    horizon=3,
    validation=6,
    test=8,
    filled=[12],
)


def read(folder: Path, part: str) -> dict[str, Any]:
    """Read a part as the module's docstring says."""
    import tensorflow as tf

    shapes = json.loads((folder / "windows.json").read_text())
    features = {name: tf.io.FixedLenFeature(shapes[name], tf.float32) for name in ("history", "target")}
    files = sorted(str(path) for path in folder.glob(f"{part}-*.tfrecord"))
    data = tf.data.TFRecordDataset(files).batch(64).map(lambda rows: tf.io.parse_example(rows, features))
    batches = list(data.as_numpy_iterator())
    return {name: np.concatenate([batch[name] for batch in batches]) for name in features}


def written(data: Prepared, folder: Path) -> tuple[Path, int]:
    return folder / "windows", materialize.write(data, folder / "windows")


def test_the_docstring_says_how_they_are_read() -> None:
    lines = [line.strip() for line in Path(__file__).read_text().splitlines()]

    told = [line.strip() for line in str(materialize.__doc__).splitlines() if line.startswith("    ")]
    assert len(told) == 4
    for line in told:
        assert line.replace('"train-*.tfrecord"', 'f"{part}-*.tfrecord"') in lines


@pytest.mark.parametrize("part", PARTS)
def test_windows_are_those_that_training_gathers(part: str, tmp_path: Path) -> None:
    folder, shards = written(DATA, tmp_path)

    found = read(folder, part)

    starts = DATA.origins(part)
    assert shards == 3
    assert found["history"].tobytes() == DATA.histories(starts).tobytes()
    assert found["target"].tobytes() == DATA.targets(starts).tobytes()
    assert found["target"].shape == (len(starts), 3, 2)


def test_the_document_says_what_the_columns_are(tmp_path: Path) -> None:
    folder, _ = written(DATA, tmp_path)

    told = json.loads((folder / "windows.json").read_text())

    assert told["columns"] == ["y", "y1", "y2", "y3"]
    assert (told["history"], told["target"]) == ([5, 4], [3, 2])
    assert told["known_ahead"] == "the last 1 columns are read 3 steps ahead"
    assert (told["mean"], told["deviation"]) == (DATA.layout.mean, DATA.layout.deviation)
    assert told["windows"] == {part: len(DATA.origins(part)) for part in PARTS}


def test_many_windows_lie_in_several_shards_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materialize, "SHARD_BYTES", 10 * 4 * (5 * 4 + 3 * 2))  # ten windows

    folder, shards = written(DATA, tmp_path)

    count = -(-len(DATA.origins("train")) // 10)
    names = sorted(path.name for path in folder.glob("train-*"))
    assert names == [f"train-{number:05d}-of-{count:05d}.tfrecord" for number in range(count)]
    assert shards == len(list(folder.glob("*.tfrecord")))
    assert np.array_equal(read(folder, "train")["history"], DATA.histories(DATA.origins("train")))


def test_a_window_larger_than_a_shard_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materialize, "SHARD_BYTES", 1)

    folder, _ = written(DATA, tmp_path)

    assert len(list(folder.glob("test-*"))) == len(DATA.origins("test"))


def test_a_part_without_windows_has_no_shard(tmp_path: Path) -> None:
    folder, shards = written(assembled(np.arange(30.0), test=5), tmp_path)

    assert shards == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "test-00000-of-00001.tfrecord",
        "train-00000-of-00001.tfrecord",
        "windows.json",
    ]


def test_equal_series_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        written(DATA, tmp_path / name)

    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "windows").iterdir()}
        for name in ("first", "second")
    )
    assert first == second
