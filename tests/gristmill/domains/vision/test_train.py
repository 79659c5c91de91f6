"""Train publishes a network from pixels to probabilities, of a head that is fitted on features, too."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.common.classification.temperature import scale_network
from gristmill.domains.vision import dataset
from gristmill.domains.vision.features import features
from gristmill.domains.vision.image_classifier import probabilities_of
from gristmill.domains.vision.models.dense import Dense
from gristmill.domains.vision.models.transfer import Transfer
from gristmill.domains.vision.settings import Augment
from gristmill.domains.vision.train import build, published, train
from gristmill.errors import RequestError
from gristmill.training import saved_network
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import fit
from gristmill.training.seeds import seeded
from gristmill.util.table_io import read_document, read_table
from helpers.small_base import CUT, SMALL
from helpers.small_prepared import coloured, spotted, write_prepared

pytest_plugins = ["helpers.small_base"]


def trained_in(
    folder: Path, model: Any = None, classes: int = 3, augment: Augment | None = None, **settings: Any
) -> Any:
    """Train a model on spotted images and return its folder and counts."""
    parts = {"train": spotted(60, classes), "validation": spotted(30, classes, seed=1)}
    write_prepared(folder / "prepared", parts, [f"class {at}" for at in range(classes)])
    out = folder / "trained"
    out.mkdir()
    counts = train(
        model=model or Dense(kind="dense", units=(16,)),
        augment=augment or Augment(),
        train=Train(**{"epochs": 6, "batch_size": 8, "learning_rate": 0.01} | settings),
        preprocess=folder / "prepared",
        out=out,
        scratch=folder / "scratch",
        logs=folder / "logs",
        on_epoch=lambda epoch: None,
    )
    return out, counts


@pytest.fixture
def trained(tmp_path: Path) -> Any:
    """Return a function that trains a model on spotted images and returns its folder and counts."""
    return partial(trained_in, tmp_path)


@pytest.fixture(scope="module")
def augmented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training on changed images, whose network averages the flips."""
    augment = Augment(brightness=0.3, average_flips=True)
    return Path(trained_in(tmp_path_factory.mktemp("augmented"), augment=augment, epochs=1)[0])


@pytest.mark.parametrize("classes", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_a_network_learns_to_give_probabilities_of_pixels(classes: int, trained: Any) -> None:
    out, counts = trained(classes=classes)
    pixels, labels = spotted(40, classes, seed=2)

    network = saved_network.read(out)
    made = np.asarray(network(pixels))

    assert made.shape == (40, classes)
    assert made.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    assert (made.argmax(axis=1) == labels).mean() > 0.9
    assert network.input.dtype == "uint8"
    epochs = read_table(out / "epochs.parquet")
    assert epochs.columns.tolist() == ["epoch", "loss", "val_loss", "accuracy", "val_accuracy", "rate"]
    assert counts == {"parameters": network.count_params(), "epochs": 6}
    assert not (out / "samples.npy").exists()


@pytest.mark.slow
def test_average_flips_gives_equal_probabilities_of_an_image_and_its_mirror_image(augmented: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)

    keras.backend.clear_session()  # as `select` does; names must not be those of operations that it adds
    network = scale_network(saved_network.read(augmented), 2.0)

    np.testing.assert_allclose(network(pixels), network(pixels[:, :, ::-1]), atol=1e-6)


@pytest.mark.slow
def test_changed_images_are_kept_beside_what_they_were(augmented: Path) -> None:
    kept = np.load(augmented / "samples.npy", allow_pickle=False)

    assert kept.shape == (6, 6, 8, 8, 1)
    assert kept.dtype == np.uint8
    assert np.array_equal(kept[:, 0], spotted(60, 3)[0][:6])
    assert not np.array_equal(kept[:, 1], kept[:, 2])


@pytest.mark.slow
def test_training_ends_where_it_was_to_end(trained: Any) -> None:
    out, _ = trained(epochs=40, stop_accuracy=0.9)

    ended = read_document(out / "training.json")
    assert ended["stopped_early"]
    assert ended["epochs"] < 40


PARTS = {"train": coloured(40), "validation": coloured(12, seed=1), "test": coloured(10, seed=2)}


@pytest.fixture(scope="module")
def transfer(weights: str) -> Transfer:
    """Settings of a frozen base below a head of two layers."""
    head = {"units": (16,), "dropout": 0.2}
    return Transfer.model_validate(SMALL | head | {"weights": weights, "cut": CUT})


def trained_on(folder: Path, model: Transfer, settings: Train, with_features: bool) -> keras.Model:
    """Return the published network of a training on coloured images, on features of them or through the base."""
    write_prepared(folder / "prepared", PARTS, ["a", "b", "c"])
    for name in ("features", "trained"):
        (folder / name).mkdir()
    if with_features:
        features(model=model, preprocess=folder / "prepared", out=folder / "features")
    train(
        model=model,
        augment=Augment(),
        train=settings,
        preprocess=folder / "prepared",
        out=folder / "trained",
        scratch=folder / "scratch",
        logs=folder / "logs",
        on_epoch=lambda epoch: None,
        features=folder / "features" if with_features else None,
    )
    return saved_network.read(folder / "trained")


@pytest.mark.slow
def test_a_head_fitted_on_stored_features_has_the_bits_of_one_fitted_on_features_in_memory(
    transfer: Transfer, tmp_path: Path
) -> None:
    settings = Train(epochs=3, batch_size=8, learning_rate=0.01, patience=2)
    stored = trained_on(tmp_path, transfer, settings, with_features=True)

    data = dataset.read(tmp_path / "prepared")
    network, truth = seeded(lambda: build(transfer, (), data.layout.shape), settings.seed), Targets(data, settings)
    items = {
        part: (network.get_layer("base").predict(PARTS[part][0].astype(np.float32), 256, verbose=0), data.labels(part))
        for part in ("train", "validation")
    }
    rows, labels = map(tf.constant, items["train"])
    feed = GatheredFeed(
        tf.range(len(rows), dtype=tf.int64),
        lambda positions: truth.batch(tf.gather(rows, positions), tf.gather(labels, positions)),
        settings,
    )
    validation = tf.data.Dataset.from_tensor_slices(items["validation"]).batch(256).map(truth.batch)
    head, places = network.get_layer("head"), (tmp_path / "checkpoints", tmp_path / "curves")
    fit(head, feed, validation, settings, truth.loss(), places[0], lambda epoch: None, places[1], goal=truth.goal())

    on_features = replace(data, features=tmp_path / "features")
    for part in PARTS:
        assert probabilities_of(stored, on_features, part) == pytest.approx(
            probabilities_of(stored, data, part), abs=1e-6
        )
    assert len(stored.variables) == len(network.variables)
    assert [np.asarray(variable.value).tobytes() for variable in stored.variables] == [
        np.asarray(variable.value).tobytes() for variable in network.variables
    ]


@pytest.mark.slow
def test_training_on_features_gives_what_training_through_the_base_does(transfer: Transfer, tmp_path: Path) -> None:
    settings = Train(epochs=2, batch_size=8, learning_rate=0.01)
    plain = transfer.model_copy(update={"dropout": 0.0})
    network = trained_on(tmp_path / "through", plain, settings, with_features=False)
    through = network.predict(PARTS["test"][0], verbose=0)

    on_features = trained_on(tmp_path / "on", plain, settings, with_features=True).predict(PARTS["test"][0], verbose=0)

    assert on_features == pytest.approx(through, abs=1e-4)
    assert np.ptp(through, axis=0).max() > 0.05  # the images differ in what they are taken for


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda shape: "no network", "the model returned a str. Expected a keras.Model"),
        (
            lambda shape: keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(7)]),
            r"takes \(8, 8, 1\) and gives \(7,\) for each image; expected it to take \(8, 8, 1\) and give \(3,\), log",
        ),
    ],
)
def test_a_network_of_another_shape_is_refused(build: Any, message: str, trained: Any) -> None:
    with pytest.raises(RequestError, match=message):
        trained(SimpleNamespace(build=build))


def test_patience_needs_a_validation_part(tmp_path: Path) -> None:
    write_prepared(tmp_path, {"train": spotted(20, 2)}, ["a", "b"])

    with pytest.raises(RequestError, match=r"train\.patience stops on the validation set"):
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
