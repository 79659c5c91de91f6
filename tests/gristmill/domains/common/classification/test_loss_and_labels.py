"""Labels in the form of their loss."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.settings import Train

LABELS = np.array([0, 2, 1, 2])
LOGITS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def truth(classes: int, of: list[int] | None = None, **settings: Any) -> Targets:
    index = pd.DataFrame({"label": of or [*range(classes)], "part": "train"})
    return Targets(LabelledDataset(index, [f"class {at}" for at in range(classes)]), Train(**settings))


def cross_entropy(smoothing: float) -> float:
    """By hand: the mean of minus the logarithm of what each label, smoothed, gives weight to."""
    shares = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    wanted = np.eye(3)[LABELS] * (1 - smoothing) + smoothing / 3
    return float(-(wanted * np.log(shares)).sum(axis=1).mean())


@pytest.mark.parametrize(
    "settings", [{}, {"labels": "one_hot"}, {"label_smoothing": 0.2}], ids=["integer", "one hot", "smoothed"]
)
def test_the_loss_of_several_classes_is_the_cross_entropy(settings: dict[str, Any]) -> None:
    of = truth(3, **settings)

    _, labels = of.batch(LOGITS, LABELS)

    assert float(of.loss()(labels, LOGITS)) == pytest.approx(cross_entropy(settings.get("label_smoothing", 0.0)))
    accuracy = of.goal().accuracy
    assert accuracy is not None
    accuracy.update_state(labels, LOGITS)
    assert float(accuracy.result()) == (LOGITS.argmax(axis=1) == LABELS).mean()


def test_of_two_classes_the_one_logit_is_of_the_second() -> None:
    of, logits = truth(2), np.array([[-2.0], [3.0], [1.0]], np.float32)

    _, labels = of.batch(logits, np.array([0, 1, 0]))

    share = 1 / (1 + np.exp(-logits[:, 0]))
    by_hand = -np.log([1 - share[0], share[1], 1 - share[2]]).mean()
    assert labels.numpy().tolist() == [[0.0], [1.0], [0.0]]
    assert float(of.loss()(labels, logits)) == pytest.approx(by_hand, rel=1e-5)
    accuracy = of.goal().accuracy
    assert accuracy is not None
    accuracy.update_state(labels, logits)
    assert float(accuracy.result()) == pytest.approx(2 / 3)


def test_balanced_classes_count_alike() -> None:
    of = truth(3, of=[0, 0, 0, 0, 0, 1, 1, 2], class_weights="balanced")

    _, _, weights = of.batch(LOGITS, LABELS)

    assert weights.numpy() == pytest.approx([8 / 15, 8 / 3, 8 / 6, 8 / 3])
    assert len(truth(3).batch(LOGITS, LABELS)) == 2


def test_where_training_may_end_early_is_passed_on() -> None:
    goal = truth(3, stop_accuracy=0.9, stop_loss=0.1).goal()

    assert (goal.stop_accuracy, goal.stop_loss) == (0.9, 0.1)
