"""A base of keras.applications below a head."""

import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.models.transfer import BASES, Transfer
from gristmill.errors import RequestError
from gristmill.export import bundle
from gristmill.settings.base import identity_values, locations
from gristmill.settings.validation import table_problems
from gristmill.training import saved_network
from gristmill.training.seeds import seeded
from helpers.small_base import CUT, IMAGES, SMALL, base_of, built

pytest_plugins = ["helpers.small_base"]
pytestmark = pytest.mark.usefixtures("first_blocks")

LABELS = np.array([0, 1, 2, 1])
DIGEST = "0" * 64


def train(network: keras.Model) -> None:
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(IMAGES, LABELS, epochs=1, verbose=0)


def kept(network: keras.Model) -> dict[str, Any]:
    return {variable.path: np.copy(variable.value) for variable in network.variables}


def changed(network: keras.Model, before: dict[str, Any]) -> list[str]:
    return [
        variable.path for variable in network.variables if not np.array_equal(variable.value, before[variable.path])
    ]


def test_every_network_of_keras_is_known() -> None:
    there = [name for name, found in vars(keras.applications).items() if inspect.isfunction(found)]

    assert sorted(BASES) == sorted([*there, "EfficientNetLite0"])


def test_an_unknown_base_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationError) as refused:
        Transfer.model_validate(SMALL | {"base": "Mobilenet"})

    (line,) = (problem.line for problem in table_problems(refused.value, Transfer))
    assert "such as MobileNet, " in line
    assert line.endswith("Received: 'Mobilenet' (string).")


def test_a_file_of_weights_is_a_place_and_a_word_is_a_value() -> None:
    fetched = Transfer.model_validate(SMALL | {"weights": "imagenet"})
    given = Transfer.model_validate(SMALL | {"weights": "base.weights.h5", "sha256": DIGEST})

    assert list(locations(fetched)) == []
    assert identity_values(fetched)["weights"] == "imagenet"
    assert list(locations(given)) == [("weights", "base.weights.h5")]
    assert not {"weights", "sha256"} & identity_values(given).keys()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"weights": "https://example.com/base.h5"}, "since weights is a URL"),
        ({"weights": "imagenet", "sha256": DIGEST}, "since weights = 'imagenet' is no file"),
    ],
)
def test_a_digest_belongs_to_a_file(fields: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Transfer.model_validate(SMALL | fields)


def test_a_located_file_takes_the_place_of_where_it_was_sought(tmp_path: Path) -> None:
    sought = Transfer.model_validate(SMALL | {"weights": "small.weights.h5"})

    assert sought.located([tmp_path / "found.h5"]).weights == str(tmp_path / "found.h5")
    assert Transfer.model_validate(SMALL).located([]).weights == "none"
    with pytest.raises(RequestError, match=r"names 2 files\. Expected one"):
        sought.located([tmp_path / "a.h5", tmp_path / "b.h5"])


@pytest.mark.slow
def test_a_network_takes_pixels_and_gives_logits(weights: str) -> None:
    network = built(Shape(48, 40, 3, classes=2), weights=weights)

    assert network.input_shape == (None, 48, 40, 3)
    assert network.output_shape == (None, 1)
    assert np.array_equal(network(IMAGES), network(IMAGES.astype(np.float32)))
    assert np.ptp(network(IMAGES)) > 0.1


@pytest.mark.parametrize("pooling", ["average", pytest.param("flatten", marks=pytest.mark.slow)])
def test_features_are_the_means_of_the_maps_or_all_of_them(pooling: str, weights: str) -> None:
    network = built(weights=weights, pooling=pooling, units=(5,), dropout=0.5)
    base, head = network.get_layer("base"), network.get_layer("head")

    maps = np.asarray(base_of(network)(IMAGES.astype(np.float32)))
    expected = maps.mean(axis=(1, 2)) if pooling == "average" else maps.reshape(4, -1)
    assert maps.shape == (4, 6, 5, 24)
    assert np.asarray(base(IMAGES)) == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(head(base(IMAGES)), network(IMAGES))
    assert head.count_params() == (expected.shape[1] + 1) * 5 + (5 + 1) * 3


@pytest.mark.parametrize(
    ("fields", "frozen"),
    [
        ({"weights": "imagenet"}, True),
        ({"weights": "small.weights.h5", "units": [5]}, True),
        ({"weights": "imagenet", "train_from": "conv"}, False),
        ({"weights": "none"}, False),
    ],
)
def test_a_base_stays_as_it_is_unless_some_of_it_is_learned(fields: dict[str, Any], frozen: bool) -> None:
    assert Transfer.model_validate(SMALL | fields).frozen == frozen


@pytest.mark.slow
def test_a_frozen_base_does_in_training_what_it_does_in_use(weights: str) -> None:
    network = built(weights=weights)
    before = kept(network)

    assert network.get_layer("base").trainable_variables == []
    assert np.array_equal(network(IMAGES, training=True), network(IMAGES))
    train(network)

    assert changed(network, before) == ["head/dense/kernel", "head/dense/bias"]


@pytest.mark.slow
def test_a_base_is_tuned_from_one_layer_on_and_its_statistics_stay(weights: str) -> None:
    network = built(weights=weights, train_from="expanded_conv_2_expand")
    before = kept(network)
    convolutions = [f"expanded_conv_2_{part}/kernel" for part in ("expand", "depthwise", "project")]
    tuned = [*convolutions, "head/dense/kernel", "head/dense/bias"]

    assert np.array_equal(network(IMAGES, training=True), network(IMAGES))
    train(network)

    assert [variable.path for variable in network.trainable_variables] == tuned
    assert changed(network, before) == tuned


@pytest.mark.slow
def test_a_base_without_weights_is_learned_whole_with_its_statistics() -> None:
    network = built(cut="expanded_conv_1_project_bn")
    before = kept(network)

    train(network)

    moved = {path for path in before if "moving_" in path}
    assert moved
    assert len(network.trainable_variables) == len(before) - len(moved)
    assert set(changed(network, before)) == set(before)


def test_without_weights_there_is_no_layer_to_tune_from() -> None:
    with pytest.raises(ValidationError) as refused:
        Transfer.model_validate(SMALL | {"train_from": "conv"})

    assert [problem.line for problem in table_problems(refused.value, Transfer)] == [
        "train_from: expected nothing, since weights = 'none' trains all of the base. Received: 'conv' (string)."
    ]


@pytest.mark.slow
def test_a_network_of_one_seed_is_always_the_same() -> None:
    one, other = (seeded(lambda: built(units=(5,)), 0) for _ in range(2))  # whatever other threads draw meanwhile

    assert [variable.path for variable in one.variables] == [variable.path for variable in other.variables]
    assert changed(one, kept(other)) == []


@pytest.mark.slow
@pytest.mark.parametrize("train_from", [None, "expanded_conv_2_expand"])
def test_a_network_is_trained_and_reads_back_bit_by_bit_and_exports(
    train_from: str | None, weights: str, tmp_path: Path
) -> None:
    network = built(weights=weights, train_from=train_from, cut=CUT, units=(5,), dropout=0.2)
    train(network)
    made = np.asarray(network(IMAGES))

    saved_network.write(network, tmp_path)
    bundle.export_network(network, ["saved_model"], tmp_path)

    found = saved_network.read(tmp_path)
    assert np.ptp(made) > 0.1
    assert np.asarray(found(IMAGES)).tobytes() == made.tobytes()
    assert len(found.trainable_variables) == len(network.trainable_variables)
    assert bundle.load(tmp_path, "saved_model")(IMAGES.astype(np.float32)) == pytest.approx(made, abs=1e-5)
