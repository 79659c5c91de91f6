"""Each example is predicted by a model that was not fitted on it, whatever the model is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.common import supervised
from gristmill.domains.common.folds import LearningSet, Positions, Split
from gristmill.domains.common.supervised import Trained, fit_closed_form, train_networks
from gristmill.errors import Unsuitable
from gristmill.training.fit import FitArguments
from gristmill.training.history import TrainingHistory

FEW = LearningSet(np.arange(20), np.arange(20, 26))
MANY = LearningSet(np.arange(1000), np.arange(1000, 1100))


@pytest.mark.parametrize(("examples", "fits"), [(FEW, 6), (MANY, 2)])
def test_a_closed_form_is_fitted_on_all_after_it_has_predicted(examples: LearningSet, fits: int) -> None:
    seen: list[Positions] = []

    def fit(positions: Positions) -> Positions:
        seen.append(positions)
        return positions

    model, honest = fit_closed_form(examples, fit, lambda fitted, asked: np.isin(asked, fitted).astype(float))

    assert len(seen) == fits
    assert model.tolist() == examples.all.tolist()
    assert not honest.predictions.any()
    assert sorted(honest.positions) == (examples.all if examples is FEW else examples.validation).tolist()


@pytest.mark.parametrize(("examples", "learned"), [(FEW, FEW.all), (MANY, MANY.training)])
def test_without_a_second_fit_the_model_is_that_of_the_training_set(examples: LearningSet, learned: Positions) -> None:
    model, _ = fit_closed_form(examples, lambda rows: rows, lambda fitted, asked: asked.astype(float), refit=False)

    assert model.tolist() == learned.tolist()


def networks(examples: LearningSet, few: str, tmp_path: Path) -> tuple[Any, list[tuple[Split | None, str]]]:
    """Train stand-ins, and return the result and what each was trained on, with the name of its scratch folder."""
    seen: list[tuple[Split | None, str]] = []

    def train(split: Split | None, arguments: FitArguments) -> Trained:
        seen.append((split, arguments["scratch"].name))
        asked = examples.validation if split is None else split.predict
        return keras.Sequential(name=f"n{len(seen)}"), TrainingHistory(best_epoch=len(seen)), asked.astype(float)

    places: FitArguments = {"scratch": tmp_path / "scratch", "logs": tmp_path / "logs", "on_epoch": print}
    return train_networks(examples, "texts", few, places, train), seen


@pytest.mark.parametrize(("examples", "few"), [(FEW, "train"), (MANY, "average"), (MANY, "refuse")])
def test_a_network_predicts_the_validation_set(examples: LearningSet, few: str, tmp_path: Path) -> None:
    (network, _, honest), seen = networks(examples, few, tmp_path)

    assert (network.name, seen) == ("n1", [(None, "scratch")])
    assert honest.positions.tolist() == honest.predictions.tolist() == examples.validation.tolist()


def test_of_few_examples_three_networks_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "equal_average", lambda trained: trained[-1])

    (network, history, honest), seen = networks(FEW, "average", tmp_path)

    assert [name for _, name in seen] == ["fold_0", "fold_1", "fold_2"]
    assert (network.name, history.best_epoch) == ("n3", 1)
    assert honest.positions.tolist() == honest.predictions.tolist()
    assert sorted(honest.positions) == list(range(26))


def test_few_examples_can_be_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsuitable, match=r"^needs at least 1,000 training and validation texts; found 26$"):
        networks(FEW, "refuse", tmp_path)
    grouped = replace(MANY, groups=np.arange(1100) // 2)
    with pytest.raises(Unsuitable, match=r"found 1,100 in 550 groups, which count as one each$"):
        networks(grouped, "refuse", tmp_path)
