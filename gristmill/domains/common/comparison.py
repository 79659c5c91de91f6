"""Comparison of a model of text, vision or tables with baselines and other candidates, on the same examples.

Baselines are fitted as `train` fits a single model of their kind, so that the comparison is fair.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gristmill.domains.common.candidates import CandidateArtifacts, fit_baselines, missing_baselines
from gristmill.domains.common.folds import HELD_OUT
from gristmill.domains.common.supervised import ByPart, Learner, fit_and_hold_out
from gristmill.domains.common.trained_model import M


def compare(
    learner: Learner[M],
    baselines: Sequence[Any],
    candidates: Mapping[str, CandidateArtifacts],
    *,
    balanced: bool,
    microseconds: dict[str, float] | None = None,
) -> dict[str, ByPart]:
    """Return the predictions of baselines and of other candidates, by name.

    `balanced` says whether all classes count equally for the model that they are compared with. The time that each
    candidate takes for an example is added to `microseconds`.
    """

    def predict(baseline: Any) -> ByPart:
        own = learner.weighted(balanced and not baseline.constant)
        fitted, (positions, predictions) = fit_and_hold_out(own, baseline)
        order = np.argsort(positions)
        is_validation = np.isin(positions[order], learner.examples.validation)
        held_out = {"validation": predictions[order][is_validation], HELD_OUT: predictions[order]}
        return own.predict_scored(fitted) | held_out

    predicted = fit_baselines(missing_baselines(baselines, candidates), predict, reserved_names=candidates)
    for name, candidate in candidates.items():
        fitted = learner.read(candidate.train)
        predicted[name] = learner.predict_scored(fitted) | learner.read_held_out(candidate.train)
        if microseconds is not None:
            microseconds[name] = learner.microseconds(fitted)
    return predicted
