"""Networks of every domain overfit a few examples and train reproducibly; the checks find those that do not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from gristmill.checks.overfit_check import CHANCE, OVERFITS, REPRODUCIBLE, Check, TrainStage, checks, overfit, reproduce
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.generation import dataset
from gristmill.domains.generation.models.recurrent import Gru
from gristmill.domains.generation.settings import Train as GenerationTrain
from gristmill.domains.tabular import dataset as rows
from gristmill.domains.tabular.models import Shape
from gristmill.domains.tabular.models.dense import Dense as RowsDense
from gristmill.domains.tabular.settings import Train as RegressionTrain
from gristmill.domains.text.models.embedding import Embedding
from gristmill.domains.text.settings import Train as TextTrain
from gristmill.domains.timeseries.data import dataset as series
from gristmill.domains.timeseries.models.dense import Dense as SeriesDense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.settings import Train as SeriesTrain
from gristmill.domains.vision.models.dense import Dense as ImagesDense
from gristmill.domains.vision.settings import Augment
from gristmill.settings.base import Settings
from helpers.small_prepared import spotted, write_prepared
from helpers.small_runs import assembled
from helpers.small_tokens import telling
from helpers.small_tokens import write_tokens as write_texts


def of_rows(folder: Path, model: Any = None) -> TrainStage:
    """Return a regression on noise, which a network with hidden units can only memorize."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(60, 3)), columns=["a", "b", "y"])
    nothing, one = dict.fromkeys("aby", 0.0), dict.fromkeys("aby", 1.0)
    layout = rows.Layout("y", ["a", "b"], {}, nothing, one)
    rows.write(rows.Prepared(table, np.repeat(["train", "validation"], [50, 10]), layout), folder)
    model = model or RowsDense(kind="dense", units=(16,))
    return TrainStage("tabular", {"model": model, "train": RegressionTrain(patience=3)}, {"preprocess": folder}, ())


def of_series(folder: Path, model: Any = None) -> TrainStage:
    """Return a forecast of noise."""
    series.write(assembled(np.random.default_rng(0).normal(size=200), validation=20), folder)
    tables = {"model": model or SeriesDense(kind="dense", units=(8,)), "train": SeriesTrain(patience=3)}
    return TrainStage("timeseries", tables, {"preprocess": folder}, ())


def of_texts(folder: Path) -> TrainStage:
    """Return a classifier of texts with much dropout and smoothed labels."""
    write_texts(folder, {"train": telling(80), "validation": telling(20, seed=1)}, ["one", "other"])
    tables = {"model": Embedding(kind="embedding", dropout=0.9), "train": TextTrain(label_smoothing=0.4)}
    return TrainStage("text", tables, {"ingest": folder, "preprocess": folder}, ())


def of_images(folder: Path) -> TrainStage:
    """Return a classifier of images that are changed so much that little is left of them."""
    write_prepared(folder, {"train": spotted(80, 4), "validation": spotted(20, 4, seed=1)}, ["a", "b", "c", "d"])
    tables = {
        "model": ImagesDense(kind="dense", units=(16,), dropout=0.9),
        "augment": Augment(shift=0.9, rotation=180.0),
        "train": Train(learning_rate=1e-9, patience=3),
    }
    return TrainStage("vision", tables, {"preprocess": folder}, ())


def of_tokens(folder: Path) -> TrainStage:
    """Return a network that tells the next of random tokens, window by window."""
    dataset.write_tokens(np.random.default_rng(0).integers(2, 30, 900).astype(np.int32), folder)
    bounds = {"train": (0, 700), "validation": (700, 800), "test": (800, 900)}
    dataset.write_layout(dataset.Layout("word", 30, "windows", 12, bounds, {}, {}), folder)
    tables = {"model": Gru(kind="gru", dimensions=8, recurrent=(24,), dropout=0.9), "train": GenerationTrain()}
    return TrainStage("generation", tables, {"preprocess": folder}, ())


SLOW = [pytest.param(of, marks=pytest.mark.slow) for of in (of_series, of_texts, of_images, of_tokens)]


@pytest.mark.slow
@pytest.mark.parametrize("of", [of_rows, *SLOW])
def test_a_network_overfits_a_few_examples_and_trains_reproducibly(
    of: Callable[[Path], TrainStage], tmp_path: Path
) -> None:
    found = {check.name: check for check in checks(of(tmp_path))}

    assert {name: check.verdict for name, check in found.items()} == dict.fromkeys(found, "passed")
    assert {OVERFITS, REPRODUCIBLE} <= set(found)
    assert (CHANCE in found) == (of in (of_texts, of_images, of_tokens))
    assert found[REPRODUCIBLE].measured.endswith(" both times, after 2 short epochs each")
    assert ("accuracy 100%" in found[OVERFITS].measured) == (of in (of_texts, of_images))


def test_a_model_in_closed_form_is_not_asked_to_overfit(tmp_path: Path) -> None:
    learned, alike = checks(of_series(tmp_path, Linear(kind="linear")))

    assert (learned.name, learned.verdict) == (OVERFITS, "not applicable")
    assert alike.verdict == "passed"
    assert alike.measured.endswith(" both times")


class Blind(Settings):
    """Settings of a network that does not see what it is shown."""

    def build(self, shape: Shape) -> keras.Model:
        row = keras.Input((shape.features,))
        return keras.Model(row, keras.layers.Dense(1)(keras.layers.Rescaling(0.0)(row)))


@pytest.mark.slow
def test_a_network_that_does_not_see_its_input_fails(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "few").mkdir()

    (check,) = overfit(of_rows(tmp_path / "rows", Blind()), tmp_path / "few")

    assert (check.name, check.verdict, check.required) == (OVERFITS, "failed", True)


class Exploding(Settings):
    """Settings of a network that gives no numbers."""

    def build(self, shape: Shape) -> keras.Model:
        row = keras.Input((shape.features,))
        return keras.Model(row, keras.layers.Rescaling(np.inf)(keras.layers.Dense(1)(row)))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_fails_both_checks_with_its_reason(tmp_path: Path) -> None:
    fitted, repeated = checks(of_rows(tmp_path, Exploding()))

    assert fitted == Check(OVERFITS, "failed", fitted.measured)
    assert "not a finite number" in fitted.measured
    assert (repeated.name, repeated.verdict) == (REPRODUCIBLE, "failed")
    assert repeated.measured.startswith("the loss became inf")


@pytest.mark.slow
@pytest.mark.parametrize("values", [np.random.default_rng(0).normal(size=200), np.tile([0.0] * 9 + [1.0], 20)])
def test_a_network_without_hidden_units_overfits_its_examples(values: Any, tmp_path: Path) -> None:
    """Five weights; of the second series, windows without a peak are followed by one or by none."""
    (tmp_path / "series").mkdir()
    (tmp_path / "few").mkdir()
    series.write(assembled(values, validation=20), tmp_path / "series")
    tables = {"model": SeriesDense(kind="dense", units=()), "train": SeriesTrain()}

    (check,) = overfit(TrainStage("timeseries", tables, {"preprocess": tmp_path / "series"}, ()), tmp_path / "few")

    assert (check.name, check.verdict) == (OVERFITS, "passed")


class Drawing(Settings):
    """Settings of a network with noise that no seed governs."""

    def build(self, shape: Shape) -> keras.Model:
        row = keras.Input((shape.features,))
        return keras.Model(row, Unseeded()(keras.layers.Dense(1)(row)))


class Unseeded(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Scales by a number that the operating system draws."""

    def call(self, values: tf.Tensor) -> tf.Tensor:
        drawn = tf.numpy_function(lambda: np.float32(np.random.default_rng().random()), [], tf.float32)
        return values * tf.ensure_shape(drawn, ())


@pytest.mark.slow
def test_a_network_that_draws_without_a_seed_is_not_reproducible(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "short").mkdir()

    check = reproduce(of_rows(tmp_path / "rows", Drawing()), tmp_path / "short")

    assert (check.name, check.verdict, check.required) == (REPRODUCIBLE, "failed", True)
    assert " and " in check.measured
    assert "without a seed" in check.measured
