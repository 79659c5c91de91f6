"""What holds of every classifier of texts, also of one that is added: its form, and that padding changes nothing."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.text.model_shape import Shape
from gristmill.export import bundle
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network

PACKAGE = "gristmill.domains.text.models"
KINDS = kinds(PACKAGE)

SHAPE = Shape(vocabulary=30, length=9, classes=3)
TEXTS = np.random.default_rng(0).integers(1, 30, (5, 4)).astype(np.int32)

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("embedding", {"pooling": "average"}),
    ("embedding", {"pooling": "max"}),
    ("conv", {"filters": (6, 5), "kernel": 5, "pooling": "max"}),
    ("conv", {"filters": (6, 5), "kernel": 4, "pooling": "average"}),
    ("lstm", {"recurrent": (4, 3)}),
    ("lstm", {"recurrent": (4, 3), "pooling": "average"}),
    ("lstm", {"recurrent": (4,), "bidirectional": False}),
    ("gru", {"recurrent": (4, 3)}),
    ("gru", {"recurrent": (4,), "pooling": "max"}),
    ("gru", {"recurrent": (4,), "bidirectional": False}),
]


def built(kind: str, classes: int = 3, **settings: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    small = {"kind": kind, "dimensions": 5, "units": (4,), "dropout": 0.3} | settings
    model: Any = settings_of(kind, PACKAGE).model_validate(small)
    network: keras.Model = model.build(Shape(SHAPE.vocabulary, SHAPE.length, classes))
    for layer in network.layers:  # so that features below zero, and biases that act on padding, are seen
        for weight in layer.trainable_weights:
            weight.assign(np.random.default_rng(weight.shape[-1]).normal(0, 0.8, weight.shape))
    return network


def padded(before: int, after: int) -> Any:
    return np.pad(TEXTS, ((0, 0), (before, after)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (3, 3)])
def test_a_network_takes_tokens_and_gives_what_its_shape_asks(kind: str, classes: int, outputs: int) -> None:
    network = built(kind, classes)

    assert network.input_shape == (None, None)
    assert network.input.dtype == "int32"
    assert np.asarray(network(padded(0, 5))).shape == (5, outputs)


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
@pytest.mark.parametrize(("before", "after"), [(0, 5), (5, 0), (0, 1)])
def test_padding_on_either_side_changes_nothing(kind: str, settings: Any, before: int, after: int) -> None:
    network = built(kind, **settings)

    alone, filled = np.asarray(network(TEXTS)), np.asarray(network(padded(before, after)))

    assert filled == pytest.approx(alone, abs=1e-5)
    assert np.ptp(alone, axis=0).max() > 1e-2  # texts do differ


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_a_text_in_a_batch_of_longer_ones_is_judged_as_alone(kind: str, settings: Any) -> None:
    network = built(kind, **settings)
    longer = np.random.default_rng(1).integers(1, 30, (3, 9)).astype(np.int32)

    mixed = np.asarray(network(np.concatenate([longer, padded(0, 5)])))

    assert mixed[3:] == pytest.approx(np.asarray(network(TEXTS)), abs=1e-5)


@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_a_text_without_tokens_is_no_accident(kind: str, settings: Any) -> None:
    assert np.isfinite(np.asarray(built(kind, **settings)(np.zeros((2, 3), np.int32)))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_tokens_counts_but_for_an_embedding_alone(kind: str) -> None:
    network = built(kind)

    change = np.abs(np.asarray(network(TEXTS[:, ::-1])) - np.asarray(network(TEXTS))).max()

    assert (change < 1e-5) == (kind == "embedding")


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_works_in_training_alone(kind: str) -> None:
    network = built(kind, units=())

    assert np.array_equal(network(TEXTS), network(TEXTS))
    assert not np.array_equal(network(TEXTS, training=True), network(TEXTS))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_reads_back_bit_by_bit_and_exports(kind: str, tmp_path: Path) -> None:
    network, texts = built(kind), padded(0, 5)
    made = np.asarray(network(texts))

    saved_network.write(network, tmp_path)
    bundle.export_network(network, ["saved_model"], tmp_path)

    assert "Lambda" not in network.to_json()
    assert np.asarray(saved_network.read(tmp_path)(texts)).tobytes() == made.tobytes()
    assert bundle.load(tmp_path, "saved_model")(texts) == pytest.approx(made, abs=1e-5)
