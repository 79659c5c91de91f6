"""Labels are doubted where the model is as sure of another class as it usually is of that class's own examples."""

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.examples import find_wrong_labels


def rows_of(labels: list[str], probabilities: list[list[float]]) -> pd.DataFrame:
    columns = ["p_cat", "p_dog", "p_owl"][: len(probabilities[0])]
    table = pd.DataFrame(probabilities, columns=columns)
    return table.assign(id=[f"{at}.jpg" for at in range(len(labels))], part="test", label=labels)


def test_sure_predictions_of_another_class_are_listed_the_surest_first() -> None:
    labels = ["cat"] * 5 + ["dog"] * 5
    of_cat = [0.9, 0.9, 0.9, 0.02, 0.3, 0.1, 0.1, 0.1, 0.1, 0.98]  # the usual ones are 0.604 and 0.724

    found = find_wrong_labels(rows_of(labels, [[share, 1 - share] for share in of_cat]), ["cat", "dog"])

    assert found["id"].tolist() == ["3.jpg", "9.jpg"]  # the fifth is an error, but not a sure one
    assert found["label"].tolist() == ["cat", "dog"]
    assert found["predicted"].tolist() == ["dog", "cat"]
    assert found["probability"].tolist() == pytest.approx([0.98, 0.98])
    assert found["probability_of_label"].tolist() == pytest.approx([0.02, 0.02])


def test_a_class_of_low_probabilities_is_as_likely_as_its_own_examples_are() -> None:
    """The threshold is that of the class: 0.4 is much for owls, and little for cats."""
    rows = rows_of(
        ["cat"] * 3 + ["owl"] * 4 + ["cat"] * 2,
        [[0.95, 0.03, 0.02]] * 3 + [[0.3, 0.3, 0.4]] * 4 + [[0.02, 0.5, 0.48], [0.45, 0.53, 0.02]],
    )

    found = find_wrong_labels(rows, ["cat", "dog", "owl"])

    assert found[["id", "predicted"]].to_numpy().tolist() == [["7.jpg", "owl"]]  # there is no dog to be sure of


@pytest.mark.parametrize("probabilities", [[[0.7, 0.3]] * 6, [[0.5, 0.5]] * 6])
def test_a_model_that_guesses_doubts_no_label(probabilities: list[list[float]]) -> None:
    assert find_wrong_labels(rows_of(["cat", "cat", "cat", "cat", "dog", "dog"], probabilities), ["cat", "dog"]).empty


def test_changed_labels_are_found() -> None:
    random = np.random.default_rng(0)
    truth, changed = random.integers(0, 3, 2000), random.random(2000) < 0.03
    labels = np.where(changed, (truth + 1) % 3, truth)
    logits = 6.0 * np.eye(3)[truth] + random.gumbel(size=(2000, 3))
    names = np.array(["cat", "dog", "owl"], object)
    rows = rows_of(names[labels].tolist(), (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).tolist())

    found = find_wrong_labels(rows, names.tolist())

    right = changed[found["id"].str.removesuffix(".jpg").astype(int)]
    assert right.sum() > 0.9 * changed.sum()
    assert right.mean() > 0.9
