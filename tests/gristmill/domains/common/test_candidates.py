"""Baselines are fitted unless they are candidates."""

from pathlib import Path

from gristmill.domains.common.candidates import CandidateArtifacts, fit_baselines, missing_baselines
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.naive import Drift, MovingAverage, SeasonalNaive
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


def test_a_baseline_has_a_name_that_no_candidate_has() -> None:
    week, longer = SeasonalNaive(kind="seasonal_naive", season=14), MovingAverage(kind="moving_average", length=9)

    found = fit_baselines(
        [week, longer], lambda baseline: baseline, reserved_names=["seasonal_naive", "moving_average"]
    )

    assert found == {"seasonal_naive-2": week, "moving_average-2": longer}
