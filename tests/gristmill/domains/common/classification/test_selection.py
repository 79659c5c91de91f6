"""Classifiers are chosen by the log loss of their scaled held-out probabilities."""

from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from gristmill.domains.common.candidates import CandidateArtifacts, read_selection, write_candidate
from gristmill.domains.common.classification import selection
from gristmill.domains.common.classification.held_out import read_held_out, write_held_out
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.scores import log_loss
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.common.classification.temperature import scale_logarithms
from gristmill.domains.common.selection import read_leaderboard
from gristmill.domains.text.models.linear import NbLinear
from gristmill.domains.text.text_classifier import Padding, TextClassifier, TextModel
from gristmill.domains.text.tokenizer import Rules, Words
from gristmill.domains.text.tokens import SPECIAL
from gristmill.errors import Diverged, WorkError
from gristmill.settings.selection import Select

CLASSES = ["a", "b", "c"]
COUNT = 400
PLAIN = Train()

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 3, COUNT)
INDEX = pd.DataFrame({"id": [f"{at:03}" for at in range(COUNT)], "label": LABELS})
DATA = LabelledDataset(INDEX.assign(part=np.repeat(["train", "validation"], [100, 300])), CLASSES)
select_classifiers = partial(selection.select_classifiers, predict_one=lambda name: dict)


def noisy(noise: float, certainty: float = 1.0, seed: int = 1) -> Any:
    """Return probabilities of all examples that are right on average, and too certain by a factor."""
    logits = 1.5 * np.eye(3)[LABELS] + noise * np.random.default_rng(seed).normal(size=(COUNT, 3))
    return softmax(logits * certainty, axis=1)


def candidate(
    folder: Path,
    probabilities: Any,
    positions: Any = range(100, COUNT),
    failed: Any = None,
    *,
    data: LabelledDataset = DATA,
    train: Train = PLAIN,
) -> CandidateArtifacts:
    folder.mkdir()
    write_candidate({"model": NbLinear(kind="nb_linear"), "train": train}, folder, failed)
    (folder / "training.json").write_text('{"best_epoch": null}')
    if failed is None:
        write_held_out(data, np.array(positions), probabilities[np.array(positions)], folder)
    return CandidateArtifacts(folder)


@pytest.mark.parametrize("geometric", [False, True])
def test_the_average_is_of_scaled_probabilities_and_is_written_as_held_out(tmp_path: Path, geometric: bool) -> None:
    first, second = noisy(1.0, certainty=3.0), noisy(1.0, seed=2)
    given = {"first": candidate(tmp_path / "first", first), "second": candidate(tmp_path / "second", second)}

    plain = select_classifiers(DATA, given, Select(), tmp_path)[1]
    chosen, temperatures = select_classifiers(DATA, given, Select(), tmp_path, geometric=geometric)

    assert set(chosen.weights) == {"first", "second"}
    assert temperatures["first"] == pytest.approx(3 * temperatures["second"], rel=0.3)
    assert (temperatures["second"] < plain["second"]) == geometric  # the mean of logits of noisy models is too small
    pairs = zip(sorted(chosen.weights.items()), (first, second), strict=True)
    scaled = [(weight, np.exp(scale_logarithms(made[100:], temperatures[name]))) for (name, weight), made in pairs]
    average = sum(weight * one for weight, one in scaled)
    if geometric:
        average = softmax(sum(weight * np.log(one) for weight, one in scaled), axis=1)
    assert read_held_out(tmp_path)[[f"p_{name}" for name in CLASSES]].to_numpy() == pytest.approx(average)
    assert read_held_out(tmp_path)["id"].tolist() == DATA.rows("validation")["id"].tolist()
    assert chosen.loss == pytest.approx(log_loss(LABELS[100:], np.asarray(average)))
    assert (chosen.metric, chosen.on) == ("log loss", "validation")
    document = read_selection(tmp_path)
    assert document is not None
    assert [one["name"] for one in document["members"]] == list(chosen.weights)
    assert document["loss"] == chosen.loss  # at the temperature of the average


@pytest.mark.slow
def test_an_average_of_texts_is_scored_as_it_is_exported(tmp_path: Path) -> None:
    made = {"first": noisy(1.0, certainty=0.4), "second": noisy(1.0, certainty=0.4, seed=2)}
    for unlikely in made.values():
        unlikely[150:160] = 1e-4
        unlikely[np.arange(150, 160), LABELS[150:160]] = 1 - 2e-4
    given = {name: candidate(tmp_path / name, probabilities) for name, probabilities in made.items()}
    tokenizer = Words([*SPECIAL, *INDEX["id"]], Rules("word", True, "strip", False))

    chosen, temperatures = select_classifiers(DATA, given, Select(), tmp_path, geometric=True)

    members = []
    for name, weight in chosen.weights.items():
        tokens = keras.Input((1,), dtype="int32")
        looked_up = keras.layers.Embedding(COUNT + 2, 3, weights=[np.vstack([np.ones((2, 3)), made[name]])])(tokens)
        network = keras.Model(tokens, looked_up[:, 0])
        members.append(TextModel(tokenizer, Padding(1), network, weight, temperatures[name]))
    rows = read_held_out(tmp_path)
    exported = TextClassifier(tuple(members)).predict(rows["id"].tolist())
    assert len(members) == 2
    assert 1e-30 < exported.min() < 1e-10
    assert rows[[f"p_{name}" for name in CLASSES]].to_numpy() == pytest.approx(exported, rel=1e-4, abs=0)


def test_only_examples_that_all_predicted_count(tmp_path: Path) -> None:
    by_folds = candidate(tmp_path / "folds", noisy(1.0), range(COUNT))
    other = candidate(tmp_path / "other", noisy(2.0, seed=2), range(150, 300))

    chosen, _ = select_classifiers(DATA, {"folds": by_folds, "other": other}, Select(max_members=1), tmp_path)

    assert chosen.weights == {"folds": 1.0}
    assert len(read_held_out(tmp_path)) == 150
    assert chosen.on == "validation"


def test_folds_over_training_and_validation_set_are_named(tmp_path: Path) -> None:
    chosen, _ = select_classifiers(
        DATA, {"one": candidate(tmp_path / "one", noisy(1.0), range(COUNT))}, Select(), tmp_path
    )

    assert chosen.on == "folds"


@pytest.mark.parametrize("balanced", [False, True])
def test_all_classes_count_equally_if_candidates_were_trained_with_class_weights(
    tmp_path: Path, balanced: bool
) -> None:
    rare = np.arange(COUNT) % 10 == 0
    data = LabelledDataset(DATA.index.assign(label=rare.astype(int)), ["usual", "rare"])
    train = Train(class_weights="balanced" if balanced else None)
    seems_rare = rare ^ (np.arange(COUNT) // 10 % 10 < 3)  # right for 70 % of each class
    of_rare = {  # probability of the rare class
        "frequencies": np.where(rare, 0.1, 0.08),  # the lower log loss
        "balanced": np.where(seems_rare, 0.7, 0.3),  # the lower mean of the classes' log losses
    }
    given = {
        name: candidate(tmp_path / name, np.column_stack([1 - one, one]), data=data, train=train)
        for name, one in of_rare.items()
    }

    chosen, _ = select_classifiers(data, given, Select(max_members=1), tmp_path)

    best = "balanced" if balanced else "frequencies"
    assert (list(chosen.weights), chosen.metric) == ([best], "balanced log loss" if balanced else "log loss")
    made = read_held_out(tmp_path)
    losses = -np.log(np.where(made["label"] == "rare", made["p_rare"], made["p_usual"]))
    of_classes = [losses[made["label"] == name].mean() for name in data.classes]
    assert chosen.loss == pytest.approx(np.mean(of_classes) if balanced else losses.mean())


def test_a_failed_candidate_is_listed_and_the_others_go_on(tmp_path: Path) -> None:
    good = candidate(tmp_path / "good", noisy(1.0))
    bad = candidate(tmp_path / "bad", None, failed=Diverged("the loss became nan"))

    chosen, _ = select_classifiers(DATA, {"bad": bad, "good": good}, Select(), tmp_path)

    assert chosen.weights == {"good": 1.0}
    table = read_leaderboard(tmp_path).set_index("candidate")
    assert table.loc["bad", "failed"] == "the loss became nan"


def test_without_a_candidate_or_a_common_example_there_is_an_error(tmp_path: Path) -> None:
    bad = candidate(tmp_path / "bad", None, failed=Diverged("the loss became nan"))
    with pytest.raises(WorkError, match="the loss became nan"):
        select_classifiers(DATA, {"bad": bad}, Select(), tmp_path)

    apart = {
        "one": candidate(tmp_path / "one", noisy(1.0), range(10)),
        "other": candidate(tmp_path / "other", noisy(1.0), range(10, 20)),
    }
    with pytest.raises(WorkError, match="no example was predicted by all candidates"):
        select_classifiers(DATA, apart, Select(), tmp_path)
