"""Train publishes a network from tokens to probabilities; killed and begun again, the same one."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pytest

from gristmill.domains.text.dataset import Layout
from gristmill.domains.text.models.embedding import Embedding
from gristmill.domains.text.settings import Train
from gristmill.domains.text.train import check_padding_ignored, train
from gristmill.errors import RequestError
from gristmill.settings.custom_code import CustomCode
from gristmill.training import saved_network
from gristmill.training.progress import Epoch
from gristmill.training.train_steps import check_network_shape
from gristmill.util.table_io import read_document, read_table
from helpers.small_tokens import LENGTH, VOCABULARY, telling, write_tokens

MAX = Embedding(kind="embedding", dimensions=8, pooling="max", units=())
FLAT = Embedding(kind="embedding", dimensions=8, pooling="flatten", units=(8,))
DROPPED = MAX.model_copy(update={"dropout": 0.3})

OWN = """
import keras

from gristmill.domains.text.layers import pooled

def build(shape, dimensions):
    tokens = keras.Input((None,), dtype="int32")
    features = keras.layers.Embedding(shape.vocabulary, dimensions)(tokens)
    return keras.Model(tokens, keras.layers.Dense(shape.outputs)(pooled(features, tokens, "max")))
"""


def run(
    folder: Path, model: Any = MAX, classes: int = 3, files: Any = (), on_epoch: Any = None, **settings: Any
) -> Any:
    """Train a model on made-up texts, with everything in `folder`, and return the folder of what is published."""
    parts = {"train": telling(90, classes), "validation": telling(30, classes, seed=1)}
    write_tokens(folder / "prepared", parts, [f"class {at}" for at in range(classes)])
    out = folder / "trained"
    out.mkdir(parents=True)
    counts = train(
        model=model,
        train=Train(**{"epochs": 12, "batch_size": 8, "learning_rate": 0.03, "seed": 1} | settings),
        ingest=folder / "prepared",
        preprocess=folder / "prepared",
        out=out,
        scratch=folder / "scratch",
        logs=folder / "logs",
        on_epoch=on_epoch or (lambda epoch: None),
        files=files,
    )
    return out, counts


def probabilities(out: Path, classes: int) -> Any:
    """Return a published network's probabilities of new texts, at full length, and their labels."""
    texts, labels = telling(40, classes, seed=2)
    tokens = np.stack([np.pad(text, (0, LENGTH - len(text))) for text in texts])
    return saved_network.read(out).predict(tokens, verbose=0), labels


@pytest.mark.parametrize(("classes", "batches"), [(2, "bucketed"), pytest.param(3, "padded", marks=pytest.mark.slow)])
def test_a_network_learns_to_give_probabilities_of_tokens(classes: int, batches: str, tmp_path: Path) -> None:
    out, counts = run(tmp_path, classes=classes, batches=batches)

    made, labels = probabilities(out, classes)

    assert made.shape == (40, classes)
    assert made.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    assert (made.argmax(axis=1) == labels).mean() > 0.9
    assert saved_network.read(out).input.dtype == "int32"
    epochs = read_table(out / "epochs.parquet")
    assert epochs.columns.tolist() == ["epoch", "loss", "val_loss", "accuracy", "val_accuracy", "rate"]
    assert counts == {"parameters": saved_network.read(out).count_params(), "epochs": 12}


@pytest.mark.slow
def test_a_flattened_network_is_trained_and_judged_at_full_length(tmp_path: Path, eager: None) -> None:
    out, _ = run(tmp_path, FLAT, classes=2, epochs=1, batch_size=64)

    assert saved_network.read(out).input_shape == (None, LENGTH)
    assert probabilities(out, 2)[0].shape == (40, 2)


@pytest.mark.slow
def test_a_learning_rate_is_found_on_the_batches_of_like_length(tmp_path: Path) -> None:
    out, _ = run(tmp_path, learning_rate="find", epochs=1)

    assert 1e-4 < read_document(out / "training.json")["learning_rate"] <= 1


@pytest.mark.slow
def test_classes_are_weighed_and_labels_smoothed(tmp_path: Path) -> None:
    out, _ = run(tmp_path, class_weights="balanced", label_smoothing=0.3, epochs=20)

    made, labels = probabilities(out, 3)

    assert (made.argmax(axis=1) == labels).mean() > 0.9
    assert np.median(made.max(axis=1)) < 0.95  # not surer than it was told to be


@pytest.mark.slow
def test_a_model_of_ones_own_is_built_to_the_shape(tmp_path: Path, eager: None) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN)

    own = CustomCode.model_validate({"kind": "mine.py:build", "dimensions": 7})
    out, _ = run(tmp_path, own, files=[file], epochs=1, batch_size=64)

    weights = saved_network.read(out).get_weights()
    assert [array.shape for array in weights] == [(VOCABULARY, 7), (7, 3), (3,)]


def of_shape(taken: tuple[int | None, ...], given: int) -> Any:
    tokens = keras.Input(taken, dtype="int32")
    features = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(VOCABULARY, 2)(tokens))
    return keras.Model(tokens, keras.layers.Dense(given)(features))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            lambda: of_shape((7,), 3),
            "the model's network takes (7,) and gives (3,) for each text; expected it to take (None,) or (12,), "
            "tokens, and give (3,), logits. Build it to the shape it is given.",
        ),
        (
            lambda: of_shape((None,), 1),
            "the model's network takes (None,) and gives (1,) for each text; expected it to take (None,) or (12,), "
            "tokens, and give (3,), logits. Build it to the shape it is given.",
        ),
    ],
)
def test_a_network_of_another_shape_is_refused(network: Callable[[], Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_network_shape(network(), "text", [(None,), (LENGTH,)], [(3,)], "tokens")

    assert str(caught.value) == message


def unmasked(length: int | None, mask: bool = False) -> Any:
    tokens = keras.Input((length,), dtype="int32")
    features = keras.layers.Embedding(VOCABULARY, 8, mask_zero=mask)(tokens)
    return keras.Model(tokens, keras.layers.Dense(3)(keras.layers.GRU(4)(features)))


def layout_of(length: int, pad: str) -> Layout:
    return Layout("word", VOCABULARY, length, pad, "post", ["a", "b", "c"], {})


@pytest.mark.parametrize("pad", ["pre", "post"])
def test_a_network_that_padding_moves_is_refused(pad: str) -> None:
    with pytest.raises(RequestError) as refused:
        check_padding_ignored(unmasked(None), layout_of(LENGTH, pad))

    assert re.sub(r"by [0-9.e-]+,", "by N,", str(refused.value)) == (
        "padding changes a logit of the network by N, so a served text would get another prediction than in training. "
        "Mask the padding (`mask_zero=True`, gristmill.domains.text.layers), or use Input((shape.length,)), here (12,)."
    )


@pytest.mark.parametrize("pad", ["pre", "post"])
def test_one_that_passes_over_padding_or_is_of_one_length_is_taken(pad: str) -> None:
    check_padding_ignored(unmasked(None, mask=True), layout_of(LENGTH, pad))
    check_padding_ignored(unmasked(LENGTH), layout_of(LENGTH, pad))
    check_padding_ignored(unmasked(None), layout_of(1, pad))  # nothing is ever filled up


def test_an_own_model_that_padding_moves_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN.replace('pooled(features, tokens, "max")', "keras.ops.max(features, axis=1)"))

    with pytest.raises(RequestError, match="padding changes a logit of the network"):
        run(tmp_path, CustomCode.model_validate({"kind": "mine.py:build", "dimensions": 7}), files=[file])

    assert not (tmp_path / "scratch").exists()


@pytest.mark.slow
def test_a_training_that_was_cut_off_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    def cut_off(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    unbroken, _ = run(tmp_path / "unbroken", DROPPED, epochs=4)
    with patch("gristmill.training.fit.MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.0), pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut off", DROPPED, on_epoch=cut_off, epochs=4)
    (tmp_path / "cut off" / "trained").rmdir()  # nothing was published
    seen: list[int] = []

    out, _ = run(tmp_path / "cut off", DROPPED, on_epoch=lambda epoch: seen.append(epoch.number), epochs=4)

    assert seen == [3, 4]
    for name in ("weights.npz", "epochs.parquet", "training.json", "validation.parquet"):
        assert (out / name).read_bytes() == (unbroken / name).read_bytes(), name
