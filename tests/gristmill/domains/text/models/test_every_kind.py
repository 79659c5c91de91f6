"""Every text classifier has the required shape and ignores padding."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.text.models import Shape
from gristmill.export import bundle
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network

PACKAGE = "gristmill.domains.text.models"
KINDS = [kind for kind in kinds(PACKAGE) if hasattr(settings_of(kind, PACKAGE), "build")]  # the others are fitted

SHAPE = Shape(vocabulary=30, length=9, classes=3)
TEXTS = np.random.default_rng(0).integers(1, 30, (5, 4)).astype(np.int32)

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("embedding", {"pooling": "max"}),
    ("embedding", {"pooling": "average", "pairs": 50}),
    ("conv", {"filters": (6, 5), "kernel": 5, "pooling": "max"}),
    ("conv", {"filters": (6, 5), "kernel": 4, "pooling": "average"}),
    ("lstm", {"recurrent": (4, 3)}),
    ("lstm", {"recurrent": (4,), "pooling": "average"}),
    ("gru", {"recurrent": (4,), "bidirectional": False}),
    ("gru", {"recurrent": (4,), "pooling": "max"}),
]


def built(kind: str, classes: int = 3, **settings: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    small = {"kind": kind, "dimensions": 5, "units": (4,), "dropout": 0.3} | settings
    model: Any = settings_of(kind, PACKAGE).model_validate(small)
    network: keras.Model = model.build(Shape(SHAPE.vocabulary, SHAPE.length, classes))
    for layer in network.layers:  # so that negative features, and biases that act on padding, have an effect
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
def test_padding_and_longer_texts_in_the_batch_change_nothing(kind: str, settings: Any) -> None:
    network = built(kind, **settings)
    longer = np.random.default_rng(1).integers(1, 30, (3, 9)).astype(np.int32)

    alone = np.asarray(network(TEXTS))
    mixed = np.asarray(network(np.concatenate([longer, padded(0, 5), padded(5, 0), np.zeros((1, 9), np.int32)])))

    assert mixed[3:8] == pytest.approx(alone, abs=1e-5)
    assert mixed[8:13] == pytest.approx(alone, abs=1e-5)
    assert np.isfinite(mixed[13]).all()  # a text without tokens
    assert np.ptp(alone, axis=0).max() > 1e-2  # texts do differ


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_depends_on_word_order_and_dropout_and_reads_back_bit_by_bit(kind: str, tmp_path: Path) -> None:
    network = built(kind, units=())
    logits = np.asarray(network(TEXTS))

    saved_network.write(network, tmp_path)

    assert "Lambda" not in network.to_json()
    assert np.asarray(saved_network.read(tmp_path)(TEXTS)).tobytes() == logits.tobytes()
    assert not np.array_equal(network(TEXTS, training=True), logits)
    change = np.abs(np.asarray(network(TEXTS[:, ::-1])) - logits).max()
    assert (change < 1e-5) == (kind == "embedding")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_network_gives_the_same_logits(kind: str, tmp_path: Path) -> None:
    network, texts = built(kind), padded(0, 5)

    bundle.export_network(network, ["saved_model"], tmp_path)

    assert bundle.load(tmp_path, "saved_model")(texts) == pytest.approx(np.asarray(network(texts)), abs=1e-5)
