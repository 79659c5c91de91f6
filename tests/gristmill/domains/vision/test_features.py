"""Features are those of the base, image by image, whatever head they are for."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.vision import features as module
from gristmill.domains.vision import pretrained
from gristmill.domains.vision.features import features
from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.models.transfer import Transfer
from helpers.small_base import CUT, SHAPE, SMALL
from helpers.small_prepared import coloured, write_prepared

pytest_plugins = ["helpers.small_base"]

PARTS = {"train": coloured(11), "validation": coloured(5, seed=1), "test": coloured(4, seed=2)}


class TinyModel:
    """Settings of a base that takes milliseconds to build: the means of its maps, by fixed weights."""

    base = "tiny"

    def located(self, files: Any) -> "TinyModel":
        return self

    def featuriser(self, shape: Shape) -> keras.Model:
        image = keras.Input((shape.height, shape.width, shape.channels))
        maps = keras.layers.Conv2D(4, 3, kernel_initializer=keras.initializers.GlorotUniform(seed=1))(image)
        return keras.Model(image, keras.layers.GlobalAveragePooling2D()(maps))


def made(folder: Path, model: Any, parts: Any = None, files: Any = ()) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the features of each part that has any, and the counts."""
    write_prepared(folder / "prepared", parts or PARTS, ["a", "b", "c"])
    out = folder / "features"
    out.mkdir()
    counts = features(model=model, preprocess=folder / "prepared", out=out, files=files)
    return {file.stem: np.load(file, allow_pickle=False) for file in out.iterdir()}, counts


def transfer(**fields: Any) -> Transfer:
    return Transfer.model_validate(SMALL | {"cut": CUT} | {"weights": "sought.weights.h5"} | fields)


@pytest.mark.slow
def test_every_image_has_the_features_of_the_base(weights: str, tmp_path: Path) -> None:
    found, counts = made(tmp_path, transfer(), files=[Path(weights)])

    base = Transfer.model_validate(SMALL | {"cut": CUT} | {"weights": weights}).featuriser(SHAPE)
    assert found.keys() == PARTS.keys()
    for part, array in found.items():
        assert array.dtype == np.float32
        assert array == pytest.approx(np.asarray(base(PARTS[part][0])), abs=1e-5)
    assert np.ptp(found["train"], axis=0).max() > 0.1  # they tell images apart
    assert counts == {"features": 24, "images": 20}


def test_images_are_written_batch_by_batch_for_each_part_that_has_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 4)

    found, counts = made(tmp_path, TinyModel(), {"train": PARTS["train"], "test": PARTS["test"]})

    base = TinyModel().featuriser(SHAPE)
    assert found.keys() == {"train", "test"}
    for part, array in found.items():
        assert array == pytest.approx(np.asarray(base(PARTS[part][0])), abs=1e-3)
    assert counts == {"features": 4, "images": 15}


def test_images_too_small_for_the_base_are_enlarged_and_this_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pretrained, "MIN_SIDE", 64)
    monkeypatch.setattr(TinyModel, "base", "EfficientNetLite0")

    made(tmp_path, TinyModel())

    assert [record.getMessage() for record in caplog.records if record.name == module.__name__] == [
        "EfficientNetLite0 sees images of 48 x 40 pixels enlarged, and little in them: a small network may see more"
    ]


@pytest.mark.slow
def test_the_head_changes_no_bit_and_the_base_does(weights: str, tmp_path: Path) -> None:
    plain, _ = made(tmp_path / "plain", transfer(), files=[Path(weights)])
    headed, _ = made(tmp_path / "headed", transfer(units=(7, 5), dropout=0.5), files=[Path(weights)])
    flat, counts = made(tmp_path / "flat", transfer(pooling="flatten"), files=[Path(weights)])

    assert headed["train"].tobytes() == plain["train"].tobytes()
    assert flat["train"].shape == (11, counts["features"]) == (11, 6 * 5 * 24)


@pytest.mark.slow
def test_features_of_chunks_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 2)
    monkeypatch.setattr(module, "_MIN_IMAGES_PER_CHUNK", 5)
    data = tmp_path / "prepared"
    write_prepared(data, PARTS, ["a", "b", "c"], shards=4)
    model: Any = TinyModel()
    chunks = [tmp_path / f"chunk {n}" for n in range(module.chunks(model=model, preprocess=data))]
    for number, folder in enumerate(chunks):
        folder.mkdir()
        module.chunk(model=model, preprocess=data, number=number, out=folder)
    alone, joined = tmp_path / "alone", tmp_path / "joined"
    alone.mkdir()
    joined.mkdir()

    told = features(model=model, preprocess=data, out=alone)

    assert len(chunks) == 4  # two of the 11 images to train on, in shards of 2 or 3
    assert features(model=model, preprocess=data, out=joined, chunks=chunks) == told
    for part in PARTS:
        assert (joined / f"{part}.npy").read_bytes() == (alone / f"{part}.npy").read_bytes()
