"""Train publishes a network from pixels to probabilities, and computes what does not change once."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_prepared import spotted, write_prepared

from gristmill import network as networks
from gristmill.errors import RequestError
from gristmill.tables import read_document, read_table
from gristmill.vision import train as module
from gristmill.vision.models.dense import Dense
from gristmill.vision.settings import Augment, Train
from gristmill.vision.shape import Shape
from gristmill.vision.train import published, train, unchanging


@pytest.fixture
def trained(tmp_path: Path) -> Any:
    """Return a function that trains a model on spotted images and returns its folder and counts."""

    def call(model: Any = None, classes: int = 3, augment: Augment | None = None, **settings: Any) -> Any:
        parts = {"train": spotted(60, classes), "validation": spotted(30, classes, seed=1)}
        write_prepared(tmp_path / "prepared", parts, [f"class {at}" for at in range(classes)])
        out = tmp_path / "trained"
        out.mkdir()
        counts = train(
            model=model or Dense(kind="dense", units=(16,)),
            augment=augment or Augment(),
            train=Train(**{"epochs": 6, "batch_size": 8, "learning_rate": 0.01} | settings),
            preprocess=tmp_path / "prepared",
            out=out,
            scratch=tmp_path / "scratch",
            logs=tmp_path / "logs",
            on_epoch=lambda epoch: None,
        )
        return out, counts

    return call


@pytest.mark.parametrize("classes", [2, 3])
def test_a_network_learns_to_give_probabilities_of_pixels(classes: int, trained: Any) -> None:
    out, counts = trained(classes=classes)
    pixels, labels = spotted(40, classes, seed=2)

    network = networks.read(out)
    made = network.predict(pixels, verbose=0)

    assert made.shape == (40, classes)
    assert made.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    assert (made.argmax(axis=1) == labels).mean() > 0.9
    assert network.input.dtype == "uint8"
    epochs = read_table(out / "epochs.parquet")
    assert epochs.columns.tolist() == ["epoch", "loss", "val_loss", "accuracy", "val_accuracy", "rate"]
    assert counts == {"parameters": networks.read(out).count_params(), "epochs": 6}
    assert not (out / "samples.npy").exists()


def test_changed_images_are_kept_beside_what_they_were(trained: Any) -> None:
    out, _ = trained(augment=Augment(horizontal_flip=True, brightness=0.3), epochs=1)

    kept = np.load(out / "samples.npy", allow_pickle=False)

    assert kept.shape == (6, 6, 8, 8, 1)
    assert kept.dtype == np.uint8
    assert np.array_equal(kept[:, 0], spotted(60, 3)[0][:6])
    assert not np.array_equal(kept[:, 1], kept[:, 2])


def test_training_ends_where_it_was_to_end(trained: Any) -> None:
    out, _ = trained(epochs=40, stop_accuracy=0.9)

    ended = read_document(out / "training.json")
    assert ended["stopped_early"]
    assert ended["epochs"] < 40


class Halves:
    """A base that does not learn, and a head that does."""

    def __init__(self, frozen: bool = True) -> None:
        self.frozen = frozen

    def build(self, shape: Shape) -> keras.Model:
        base = keras.Sequential(
            [keras.Input((shape.height, shape.width, shape.channels)), keras.layers.Flatten(), keras.layers.Dense(12)],
            name="base",
        )
        base.trainable = not self.frozen
        head = keras.Sequential([keras.Input((12,)), keras.layers.Dense(shape.outputs)], name="head")
        image = keras.Input(base.input_shape[1:])
        return keras.Model(image, head(base(image)))


def test_features_of_a_base_that_does_not_learn_are_computed_once(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    real = module.features_feed
    monkeypatch.setattr(module, "features_feed", lambda base, *rest: computed.append(base.name) or real(base, *rest))

    out, _ = trained(Halves(), learning_rate=1e-3)

    assert computed == ["base"]
    made = networks.read(out).predict(spotted(10, 3)[0], verbose=0)
    assert made.sum(axis=1) == pytest.approx(np.ones(10), abs=1e-5)


def test_a_base_that_learns_or_sees_changed_images_is_trained_through() -> None:
    shape = Shape(8, 8, 1, 3)

    assert unchanging(Halves(frozen=False).build(shape)) is None
    assert unchanging(Dense(kind="dense").build(shape)) is None
    base = unchanging(Halves().build(shape))
    assert base is not None
    assert base.name == "base"


def test_training_on_features_gives_what_training_through_the_base_does(
    trained: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out, _ = trained(Halves(), epochs=2)
    once = networks.read(out).predict(spotted(10, 3)[0], verbose=0)
    monkeypatch.setattr(module, "unchanging", lambda network: None)
    for folder in (out, tmp_path / "scratch"):
        folder.rename(folder.with_name(f"{folder.name} before"))

    out, _ = trained(Halves(), epochs=2)

    assert networks.read(out).predict(spotted(10, 3)[0], verbose=0) == pytest.approx(once, abs=1e-4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda shape: "no network", "the model is a str. Expected a keras.Model"),
        (
            lambda shape: keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(7)]),
            r"takes \(8, 8, 1\) and gives \(7,\) for each image; expected it to take \(8, 8, 1\) and give \(3,\), log",
        ),
    ],
)
def test_a_network_of_another_shape_is_refused(build: Any, message: str, trained: Any) -> None:
    model = Halves()
    model.build = build

    with pytest.raises(RequestError, match=message):
        trained(model)


def test_patience_needs_a_validation_part(tmp_path: Path) -> None:
    write_prepared(tmp_path, {"train": spotted(20, 2)}, ["a", "b"])

    with pytest.raises(RequestError, match=r"train\.patience stops on the validation part"):
        train(
            model=Dense(kind="dense"),
            augment=Augment(),
            train=Train(patience=2),
            preprocess=tmp_path,
            out=tmp_path,
            scratch=tmp_path / "scratch",
            logs=tmp_path / "logs",
            on_epoch=lambda epoch: None,
        )


def test_two_classes_are_published_as_two_probabilities() -> None:
    pixels = keras.Input((2, 2, 1))
    logit = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(pixels))

    made = published(keras.Model(pixels, logit)).predict(np.full((1, 2, 2, 1), 1, np.uint8), verbose=0)

    assert made[0] == pytest.approx([1 / (1 + np.exp(4)), 1 / (1 + np.exp(-4))], rel=1e-5)
