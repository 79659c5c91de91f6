"""Train publishes a network from tokens to logits, and goes on after a kill as if there had been none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pytest

from gristmill.domains.generation.dataset import Layout, write_layout, write_tokens
from gristmill.domains.generation.models import Shape
from gristmill.domains.generation.models.recurrent import Gru, Lstm
from gristmill.domains.generation.settings import Train
from gristmill.domains.generation.train import check_causal, train
from gristmill.errors import RequestError
from gristmill.training import saved_network
from gristmill.training.progress import Epoch
from gristmill.util.table_io import read_document, read_table

VOCABULARY = 8
ROUND = [2, 3, 4, 5, 6, 7]  # tokens that follow each other, again and again
WINDOWS = Gru(kind="gru", dimensions=6, recurrent=(12,))
PREFIXES = Lstm(kind="lstm", dimensions=6, recurrent=(8,), bidirectional=True, dropout=0.2)


def write_prepared(folder: Path, examples: str) -> None:
    """Write rounds as preprocess does, as a stream or in lines of a round: 40 to train on, 10 for validation."""
    folder.mkdir()
    write_tokens(np.array(ROUND * 50, np.int32), folder)
    np.save(folder / "starts.npy", np.arange(51) * 6, allow_pickle=False)
    scale = 6 if examples == "windows" else 1
    bounds = {"train": (0, 40 * scale), "validation": (40 * scale, 50 * scale), "test": (50 * scale, 50 * scale)}
    write_layout(Layout("word", VOCABULARY, examples, 7, bounds, {}, {}), folder)


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that trains a model and returns the folder of its network."""

    def call(model: Any, examples: str, name: str = "one", on_epoch: Any = lambda epoch: None, **settings: Any) -> Path:
        if not (tmp_path / examples).exists():
            write_prepared(tmp_path / examples, examples)
        out = tmp_path / name
        out.mkdir(exist_ok=True)
        counts = train(
            model=model,
            train=Train(**{"epochs": 12, "batch_size": 4, "learning_rate": 0.02} | settings),
            preprocess=tmp_path / examples,
            out=out,
            scratch=tmp_path / f"{name} scratch",
            logs=tmp_path / f"{name} logs",
            on_epoch=on_epoch,
        )
        network = saved_network.read(out)
        assert counts == {"parameters": network.count_params(), "epochs": len(read_table(out / "epochs.parquet"))}
        return out

    return call


@pytest.mark.slow
def test_a_network_learns_to_tell_the_next_token(trained: Callable[..., Path]) -> None:
    check_learned(trained(WINDOWS, "windows", patience=12), "windows")


def check_learned(out: Path, examples: str) -> None:
    """Check what a training of 12 epochs has written."""
    logits = np.asarray(saved_network.read(out)(np.array([[0, 3, 4, 5], [4, 5, 6, 7]], np.int32)))

    assert logits.shape == ((2, 4, VOCABULARY) if examples == "windows" else (2, VOCABULARY))
    told = logits[:, -1] if examples == "windows" else logits
    assert told[0].argmax() == 6
    assert (told < 0).any()  # logits, no probabilities
    epochs = read_table(out / "epochs.parquet")
    assert epochs.columns.tolist() == ["epoch", "loss", "val_loss", "accuracy", "val_accuracy", "rate"]
    assert epochs["val_loss"].iloc[-1] < 0.5 * epochs["val_loss"].iloc[0]
    assert epochs["val_accuracy"].iloc[-1] > 0.95
    assert read_document(out / "training.json")["epochs"] == 12


@pytest.mark.slow
def test_a_training_that_was_cut_off_goes_on_to_the_same_bytes(trained: Callable[..., Path]) -> None:
    def cut_off(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    seen: list[int] = []
    unbroken = trained(PREFIXES, "prefixes", patience=12)
    check_learned(unbroken, "prefixes")
    with patch("gristmill.training.fit.MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.0), pytest.raises(KeyboardInterrupt):
        trained(PREFIXES, "prefixes", "other", cut_off, patience=12)
    resumed = trained(PREFIXES, "prefixes", "other", lambda epoch: seen.append(epoch.number), patience=12)

    assert seen == list(range(4, 13))
    for name in ("weights.npz", "architecture.json", "epochs.parquet", "training.json"):
        assert (resumed / name).read_bytes() == (unbroken / name).read_bytes(), name


class Built:
    """A model that builds what it is given."""

    def __init__(self, build: Callable[[Shape], Any]) -> None:
        self.build = build


def telling(shape: Shape, **layer: Any) -> keras.Model:
    """Return a network of one embedding and a convolution of what is around each token, or behind it."""
    tokens = keras.Input((None,), dtype="int32")
    near = keras.layers.Conv1D(4, 3, **layer)(keras.layers.Embedding(shape.vocabulary, 4)(tokens))
    return keras.Model(tokens, keras.layers.Dense(shape.vocabulary)(near))


def test_an_own_network_may_look_back_but_not_ahead(trained: Callable[..., Path]) -> None:
    shape = Shape(VOCABULARY, length=7, after_each=True)
    check_causal(telling(shape, padding="causal"), shape)

    with pytest.raises(RequestError) as refusal:
        trained(Built(lambda shape: telling(shape, padding="same")), "windows", "ahead", epochs=1)

    assert str(refusal.value) == (
        "the model's predictions depend on later tokens, which contain the answers. Use a network that only reads "
        'forward, or set preprocess.examples = "prefixes".'
    )


def test_there_is_nothing_ahead_of_one_token() -> None:
    shape = Shape(VOCABULARY, length=1, after_each=True)
    check_causal(telling(shape, padding="same"), shape)


@pytest.mark.parametrize(
    ("build", "examples", "message"),
    [
        (
            lambda shape: "no network",
            "windows",
            "the model returned a str. Expected a keras.Model: return one from it.",
        ),
        (
            lambda shape: WINDOWS.build(Shape(9, shape.length, after_each=True)),
            "windows",
            "the model's network takes (None,) and gives (None, 9) for each sequence; expected it to take (None,), "
            "tokens, and give (None, 8), logits. Build it to the shape it is given.",
        ),
        (
            lambda shape: WINDOWS.build(Shape(8, shape.length, after_each=True)),
            "prefixes",
            "the model's network takes (None,) and gives (None, 8) for each sequence; expected it to take (None,), "
            "tokens, and give (8,), logits. Build it to the shape it is given.",
        ),
    ],
)
def test_a_network_of_another_shape_is_refused(
    build: Any, examples: str, message: str, trained: Callable[..., Path]
) -> None:
    with pytest.raises(RequestError) as refusal:
        trained(Built(build), examples)

    assert str(refusal.value) == message
