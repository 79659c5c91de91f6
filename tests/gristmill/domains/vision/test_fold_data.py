"""A split of training and validation set is a folder of images like any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from gristmill.domains.common.folds import Split
from gristmill.domains.vision.labelled_images import write_split
from helpers.small_prepared import spotted, write_prepared


def test_a_split_holds_its_images_with_labels_and_features(tmp_path: Path) -> None:
    parts = {"train": spotted(10), "validation": spotted(4, seed=1), "test": spotted(6, seed=2)}
    data = write_prepared(tmp_path / "data", parts, ["a", "b"])
    stored = tmp_path / "stored"
    stored.mkdir()
    for part, begin in (("train", 0), ("validation", 10)):
        rows = np.arange(begin, begin + len(parts[part][1]), dtype=np.float32)
        np.save(stored / f"{part}.npy", rows[:, np.newaxis])
    split = Split(np.array([0, 3, 10, 13]), np.array([1, 2, 12]))

    (tmp_path / "fold").mkdir()

    made = write_split(replace(data, features=stored), split, tmp_path / "fold", tmp_path / "fold")

    pixels = np.concatenate([parts["train"][0], parts["validation"][0]])
    labels = np.array([*parts["train"][1], *parts["validation"][1]])
    assert made.layout.counts == {"train": 4, "validation": 3, "test": 0}
    for part, positions in (("train", split.fit), ("validation", split.predict)):
        assert np.array_equal(made.pixels(part), pixels[positions])
        assert made.labels(part).tolist() == labels[positions].tolist()
        features = np.load(tmp_path / "fold" / f"{part}.npy")
        assert features[:, 0].tolist() == positions.tolist()
