"""Baselines are fitted unless they are candidates."""

from pathlib import Path

from gristmill.domains.common.candidates import CandidateArtifacts, missing_baselines
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.naive import Drift, MovingAverage
from gristmill.domains.timeseries.settings import BASELINES, Train
from helpers.small_candidates import write_candidate_artifact


def test_baselines_that_are_candidates_are_not_fitted_again(tmp_path: Path) -> None:
    tried = {"drift": Drift(kind="drift"), "dense": Dense(kind="dense"), "moving_average": BASELINES[3]}
    candidates = {}
    for name, model in tried.items():
        (tmp_path / name).mkdir()
        write_candidate_artifact(tmp_path / name, model, Train())
        candidates[name] = CandidateArtifacts(tmp_path / name)

    longer = MovingAverage(kind="moving_average", length=9)
    left = missing_baselines((Drift(kind="drift"), longer, *BASELINES), candidates)

    assert left == [longer, *(baseline for baseline in BASELINES if baseline.kind not in tried)]
