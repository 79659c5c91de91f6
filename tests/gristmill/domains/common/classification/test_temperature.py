"""The temperature makes probabilities honest, in NumPy and in a graph alike."""

from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import softmax

from gristmill.domains.common.classification.scores import log_loss
from gristmill.domains.common.classification.temperature import (
    fit_temperature,
    scale_in_graph,
    scale_logarithms,
    scale_network,
)


def drawn(examples: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return honest probabilities, and labels drawn from them."""
    random = np.random.default_rng(seed)
    honest = softmax(2 * random.normal(size=(examples, classes)), axis=1)
    labels = (honest.cumsum(axis=1) < random.random((examples, 1))).sum(axis=1)
    return honest, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_it_finds_the_temperature_that_the_probabilities_lack(temperature: float, classes: int) -> None:
    honest, labels = drawn(20_000, classes)
    distorted = softmax(np.log(honest) * temperature, axis=1)  # too certain by this factor

    assert fit_temperature(labels, distorted) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_has_a_lower_log_loss() -> None:
    honest, labels = drawn(5_000, 3, seed=1)
    distorted = softmax(np.log(honest) * 1.7, axis=1)

    found = fit_temperature(labels, distorted)

    losses = [log_loss(labels, np.exp(scale_logarithms(distorted, found * factor))) for factor in (0.9, 1, 1.1)]
    assert losses[1] == min(losses)


@pytest.mark.parametrize(("certainty", "right"), [(0.9, True), (1.0, True), (1.0, False)])
def test_a_few_examples_give_a_moderate_temperature(certainty: float, right: bool) -> None:
    probabilities = np.tile([1 - certainty, certainty], (4, 1))

    found = fit_temperature(np.full(4, int(right)), probabilities)

    assert 0.2 < found < 20
    assert (found < 1) == (right and certainty < 1) or certainty == 1


def test_scaling_keeps_the_order_and_one_changes_nothing() -> None:
    honest, _ = drawn(50, 3)

    scaled = np.exp(scale_logarithms(honest, 2.0))

    assert np.exp(scale_logarithms(honest, 1.0)) == pytest.approx(honest)
    assert scaled.sum(axis=1) == pytest.approx(1)
    assert (scaled.argsort(axis=1) == honest.argsort(axis=1)).all()
    assert (scaled.max(axis=1) < honest.max(axis=1)).all()


def test_the_graph_gives_the_same() -> None:
    honest, _ = drawn(50, 3)
    probabilities = np.concatenate([honest, [[1, 0, 0]]])

    made = np.asarray(scale_in_graph(probabilities.astype(np.float32), 1.7))

    assert made == pytest.approx(np.exp(scale_logarithms(probabilities, 1.7)), abs=1e-6)


def test_a_network_that_computes_a_maximum_too_is_scaled(tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.ops.softmax(keras.ops.maximum(inputs, 0.1))).save(tmp_path / "model.keras")
    keras.backend.clear_session()  # as select does, so operations are numbered from 1 again

    scaled = scale_network(keras.models.load_model(tmp_path / "model.keras"), 1.7)

    given = np.eye(3, dtype=np.float32)
    expected = np.exp(scale_logarithms(softmax(given.clip(0.1), 1), 1.7))
    assert np.asarray(scaled(given)) == pytest.approx(expected, abs=1e-6)
