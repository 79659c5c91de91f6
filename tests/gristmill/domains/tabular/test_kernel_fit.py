"""Kernel regression chooses by leaving out rows, and its graph computes the sum over the training rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular import kernel_fit
from gristmill.domains.tabular.encoder import encode, predict_target, standardised
from gristmill.domains.tabular.kernel_fit import Choice, choose, kernel_regression
from gristmill.domains.tabular.models.kernel import Kernel
from gristmill.domains.tabular.target_scale import TargetScale
from gristmill.errors import RequestError, Unsuitable
from helpers.small_tables import of_table, prepared


def test_the_graph_sums_the_kernel_over_the_training_rows() -> None:
    data, chosen = prepared(), Choice(width=2.0, linear=0.3, penalty=0.05, logarithm=False)
    rows = encode(data.inputs, standardised(data)).astype(float)
    trained = data.parts == "train"
    scale = TargetScale.fit(data.truth[trained])
    unit = np.median([np.linalg.norm(a - b) for a in rows[trained] for b in rows[trained]])

    def kernel(a: object, b: object) -> float:
        distance = np.sqrt(3) * np.linalg.norm(a - b) / (2 * unit)
        return (1 + distance) * np.exp(-distance) + 0.3 * a @ b

    matrix = np.array([[kernel(a, b) for b in rows[trained]] for a in rows[trained]])
    weights = np.linalg.solve(matrix + 0.05 * np.eye(len(matrix)), scale.scaled(data.truth[trained]))
    expected = [sum(w * kernel(row, b) for w, b in zip(weights, rows[trained], strict=True)) for row in rows]

    made = predict_target(kernel_regression(data, chosen), data.inputs)
    assert made == pytest.approx(scale.restored(np.array(expected)), rel=1e-4)


@pytest.mark.parametrize(
    ("groups", "ordered"), [(None, False), (np.maximum(np.arange(50) // 3, 4), False), (None, True)]
)
def test_the_choice_has_the_lowest_error_of_refits_without_a_row_or_its_group_or_the_last_fifth(
    groups: Any, ordered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_fit, "_WIDTHS", (1.0, 4.0))
    monkeypatch.setattr(kernel_fit, "_LINEAR", (0.0, 0.5))
    monkeypatch.setattr(kernel_fit, "_PENALTIES", (0.01, 1.0))
    data = replace(prepared(50, validation=10), groups=groups)
    data = replace(data, layout=replace(data.layout, ordered=ordered))
    owners = np.arange(25) // 20 if ordered else np.arange(25) if groups is None else groups[:25]
    left_out = np.arange(20 if ordered else 0, 25)
    features = encode(data.inputs, standardised(data)).astype(float)[:25]
    truth, unit = data.truth[:25], kernel_fit._median_distance(features)
    errors = {}
    for width in (1.0, 4.0):
        for linear in (0.0, 0.5):
            matrix = kernel_fit._kernel(features, features, width * unit, linear)
            for penalty in (0.01, 1.0):
                for logarithm in (False, True):
                    scale = TargetScale.fit(truth, logarithm)
                    target = scale.scaled(truth)
                    made = []
                    for row in left_out:
                        kept = owners != owners[row]
                        inner = matrix[np.ix_(kept, kept)] + penalty * np.eye(kept.sum())
                        made.append(matrix[row, kept] @ np.linalg.solve(inner, target[kept]))
                    error = np.abs(scale.restored(np.array(made)) - truth[left_out]).mean()
                    errors[Choice(width, linear, penalty, logarithm)] = error

    assert choose(data) == min(errors, key=errors.__getitem__)


def test_settings_that_are_given_are_kept() -> None:
    data = prepared()
    tuned = Kernel(kind="kernel", width=0.5, logarithm=False).tuned(data)
    assert (tuned.width, tuned.logarithm) == (0.5, False)
    assert None not in (tuned.penalty, tuned.linear)
    assert tuned.tuned(data) is tuned


def test_too_many_rows_are_refused() -> None:
    table = pd.DataFrame({"x": np.arange(3001.0), "y": np.arange(3001.0)})
    with pytest.raises(Unsuitable, match=r"^keeps every row of training and validation, at most 3,000; there"):
        choose(of_table(table, ["train"] * 3001, ["x"], [], "y"))


def test_classes_are_refused_with_a_kind_that_predicts_them() -> None:
    with pytest.raises(RequestError, match=r"'kernel' is for regression, .* 'classification'\. Use 'boosted_trees'"):
        Kernel(kind="kernel").fit(prepared(classes=2))
