"""Scores beside the baselines'."""

import pandas as pd

from gristmill.domains.common.classification.evaluation import summarised


def test_the_best_baseline_has_the_highest_accuracy_on_the_test_part() -> None:
    values = {"model": (0.7, 0.2), "majority class": (0.9, 0.3), "linear": (0.1, 0.6)}
    rows = [
        {"part": part, "forecaster": name, "by": "all", "group": "", "examples": 9}
        | {"accuracy": accuracy, "roc_auc": None}
        for name, both in values.items()
        for part, accuracy in zip(("validation", "test"), both, strict=True)
    ]

    found = summarised(pd.DataFrame(rows))

    assert found["best_baseline"] == "linear"
    assert (found["headline"]["model"], found["headline"]["baseline"]) == (0.2, 0.6)
    assert found["model"]["test"] == {"accuracy": 0.2, "roc_auc": None}
