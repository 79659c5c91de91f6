"""A test of the rubric passes by what was seen of the pipeline, and says what to do where it does not."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gristmill.checks.evidence import Evidence, RunOutputs, losing_slices
from gristmill.checks.ml_test_score import SECTIONS, ScoredTest, meaning, points, run_tests
from gristmill.checks.overfit_check import OVERFITS, REPRODUCIBLE, Check
from gristmill.config import catalogue
from gristmill.domains.timeseries.settings import Schema
from gristmill.registry.promotions import Promotion
from gristmill.registry.version import Git, Version
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import Drift, ErrorDrift, InputDrift, Judgement
from gristmill.runs.scores import Headline, Scores, Selected
from gristmill.settings.selection import Auto
from gristmill.sweeps.leaderboard import LeaderboardEntry, TrialScores
from gristmill.sweeps.trials import SweepPoint
from gristmill.util.table_io import write_table

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HEADLINE = Headline(metric="mae", model=1.0, baseline=2.0)
SCORES = Scores(headline=HEADLINE, best_baseline="naive", model={"test": {"mae": 1.0}}, parity=1e-6)
GIT = Git(commit="a" * 40, dirty=False)


@pytest.fixture
def bare(project: Path) -> Evidence:
    """What is seen of a pipeline that never ran, but for the checks."""
    checks = [Check(OVERFITS, "passed", "loss 1 → 0"), Check(REPRODUCIBLE, "passed", "weights 12ab both times")]
    return Evidence(
        pipeline=catalogue.load(project).pipeline("small"),
        deny=(),
        checks={check.name: check for check in checks},
        last_run=None,
        leaderboard=[],
        champion=None,
        promotion=None,
        judgement=None,
        drift=None,
        git=Git(),
        today=NOW,
    )


@pytest.fixture
def run(bare: Evidence) -> RunOutputs:
    """What a run run."""
    values: dict[str, Any] = {"overrides": [], "versions": {}, "host": "here", "pid": 1}
    settings = bare.pipeline.values()
    record = Record(id="1", pipeline="small", domain="timeseries", settings=settings, started=NOW, **values)
    return RunOutputs(
        record=record,
        fresh=True,
        scores=SCORES,
        parity_examples=39,
        importance=None,
        losing_slices=[],
        losses=[2.0, 1.0],
    )


def of(seen: Evidence, section: str, number: int) -> tuple[str, str]:
    """Return verdict and what is told of one test."""
    (one,) = (one for one in run_tests(seen) if (one.section, one.number) == (section, number))
    return one.result.verdict, one.result.details


def test_there_are_seven_tests_in_each_of_four_sections() -> None:
    assert list(SECTIONS) == ["Data", "Model", "Infrastructure", "Monitoring"]
    assert [len(tests) for tests in SECTIONS.values()] == [7] * 4


def test_of_a_pipeline_that_never_ran_only_the_checks_pass(bare: Evidence) -> None:
    judged = run_tests(bare)

    passed = [(one.section, one.number) for one in judged if one.result.verdict == "passes"]
    assert passed == [("Infrastructure", 1), ("Infrastructure", 2)]
    assert points(judged) == {"Data": 0, "Model": 0, "Infrastructure": 2, "Monitoring": 0}
    remedies = [one.result.details for one in judged if one.result.verdict == "not passed"]
    assert any("gristmill run small" in told for told in remedies)


def test_all_that_can_be_seen_can_pass(bare: Evidence, run: RunOutputs) -> None:
    judged = run_tests(everything(bare, run))

    not_passed = [one for one in judged if one.result.verdict == "not passed"]
    assert [(one.section, one.number) for one in not_passed] == [("Data", 1)]  # its pipeline has no schema
    assert Counter(one.section for one in judged if one.result.verdict == "by hand") == {
        "Data": 4,
        "Model": 3,
        "Infrastructure": 2,
        "Monitoring": 2,
    }


def everything(bare: Evidence, run: RunOutputs) -> Evidence:
    """Return a pipeline of which all but a schema is seen."""
    pipeline = bare.pipeline
    schedule = pipeline.tables["schedule"].model_copy(update={"cron": "0 6 * * 1", "max_age": "60 days"})
    pipeline = replace(pipeline, tables={**pipeline.tables, "schedule": schedule})
    importance = {"error": 1.0, "features": [{"feature": "rain", "rise": 0.5, "low": 0.3}]}
    quiet = ErrorDrift(count=9, mean=1, mean_before=1, large=2, run=1, run_before=1, probability=0.5)
    return replace(
        bare,
        pipeline=pipeline,
        deny=("customer_*",),
        last_run=replace(run, importance=importance),
        leaderboard=[place(bare, 0.1, 1.0)],
        champion=version(judged=True),
        promotion=Promotion(number=2, pipeline="small", version=2, previous=1, line=[1], when=NOW, why=""),
        judgement=judgement(),
        drift=Drift(errors=quiet, inputs=[moved(False)]),
        git=GIT,
    )


def judgement() -> Judgement:
    """Return a challenger that was better than the champion."""
    scores = {"challenger": 1.0, "champion": 2.0}
    return Judgement(
        metric="mae",
        scores=scores,
        items=30,
        difference=1.0,
        interval=None,
        best_baseline=None,
        promoted=True,
        why="mae 1",
    )


def moved(alarm: bool) -> InputDrift:
    return InputDrift(name="rain", test="KS", statistic=0.5, probability=0.001 if alarm else 0.5)


def version(judged: bool) -> Version:
    """Return a version that was made 30 days ago."""
    values: dict[str, Any] = {name: {} for name in ("settings", "references", "scores", "versions", "code")}
    decision = {"verdict": "judged", "why": "mae 1", "judgement": judgement().model_dump() if judged else None}
    return Version(
        number=2,
        pipeline="small",
        domain="timeseries",
        run="1",
        overrides=[],
        git=GIT,
        made=NOW - timedelta(days=30),
        decision=decision,
        **values,
    )


def place(seen: Evidence, l2: float, validation: float, tried: bool = True) -> LeaderboardEntry:
    """Return a point of a sweep over the strength of the regularisation."""
    model = seen.pipeline.tables["model"].model_copy(update={"l2": l2})
    changed = replace(seen.pipeline, tables={**seen.pipeline.tables, "model": model})
    scores = SCORES.model_copy(update={"model": {"validation": {"mae": validation}, "test": {"mae": 1.0}}})
    outcomes = [TrialScores(scores, 1.0, 1, "", {})] if tried else []
    return LeaderboardEntry(SweepPoint((f"model.l2={l2}",), changed, f"model.l2={l2}"), outcomes, 1)


def test_features_that_raise_no_error_are_named(bare: Evidence, run: RunOutputs) -> None:
    features = [{"feature": "rain", "rise": 0.5, "low": 0.3}, {"feature": "wind", "rise": 0.1, "low": -0.1}]
    seen = replace(bare, last_run=replace(run, importance={"error": 1.0, "features": features}))

    assert of(seen, "Data", 2) == (
        "not passed",
        "the error does not rise by more than chance when shuffled: wind. Run without, and compare",
    )


def test_where_no_feature_was_weighed_a_person_has_to_tell(bare: Evidence, run: RunOutputs) -> None:
    assert of(replace(bare, last_run=run), "Data", 2)[0] == "by hand"


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ({}, "not passed"),
        ({"columns": {"value": {}}}, "not passed"),
        ({"columns": {"value": {"min": 0}}}, "passes"),
        ({"frequency": "MS"}, "passes"),
    ],
)
def test_a_schema_without_a_rule_is_none(bare: Evidence, run: RunOutputs, rules: dict[str, Any], verdict: str) -> None:
    schema = Schema.model_validate({"file": "schemas/small.toml", **rules})
    pipeline = replace(bare.pipeline, tables={**bare.pipeline.tables, "schema": schema})
    record = run.record.model_copy(update={"settings": pipeline.values()})
    seen = replace(bare, pipeline=pipeline, last_run=replace(run, record=record))

    assert of(seen, "Data", 1)[0] == of(seen, "Monitoring", 2)[0] == verdict


def test_what_every_run_does_is_not_told_as_a_test_of_the_pipeline(bare: Evidence, run: RunOutputs) -> None:
    seen = replace(bare, last_run=run)

    assert of(seen, "Infrastructure", 6)[0] == of(seen, "Monitoring", 1)[0] == "by hand"
    assert of(seen, "Monitoring", 3)[0] == "passes"
    assert of(replace(bare, last_run=replace(run, parity_examples=0)), "Monitoring", 3)[0] == "not passed"


def test_a_review_needs_a_commit_that_holds_everything(bare: Evidence) -> None:
    assert of(bare, "Model", 1)[0] == "not passed"
    assert of(replace(bare, git=Git(commit="b" * 40, dirty=True)), "Model", 1)[0] == "not passed"
    assert of(replace(bare, git=GIT), "Model", 1)[0] == "by hand"


def test_a_sweep_counts_where_it_is_done_and_its_choice_is_set(bare: Evidence) -> None:
    own = bare.pipeline.values()["model"]["l2"]
    better, worse, untried = place(bare, own, 1.0), place(bare, own + 1, 2.0), place(bare, own + 2, 3.0, tried=False)

    assert of(replace(bare, leaderboard=[better, worse]), "Model", 3)[0] == "passes"
    assert of(replace(bare, leaderboard=[better, worse, untried]), "Model", 3) == (
        "not passed",
        "2 of 3 points of the sweep are tried: gristmill sweep small",
    )
    assert of(replace(bare, leaderboard=[place(bare, own + 1, 0.5), better]), "Model", 3) == (
        "not passed",
        f"today's settings are not those of the best point of the sweep: model.l2={own + 1}",
    )


def test_a_selection_among_candidates_counts_as_a_sweep(bare: Evidence, run: RunOutputs) -> None:
    tables = {**bare.pipeline.tables, "model": Auto(kind="auto")}
    auto = replace(bare, pipeline=replace(bare.pipeline, tables=tables))
    members: dict[str, Any] = {"members": {"theta": 0.6, "naive": 0.4}, "best": "theta", "loss": 1.0, "best_loss": 1.1}
    selected = Selected(**members, metric="scaled error", on="backtest", tried=9, failed=0)
    scored = replace(run, scores=SCORES.model_copy(update={"selected": selected}))

    assert of(auto, "Model", 3) == ("not passed", "gristmill run small selects among its candidates")
    assert of(replace(auto, last_run=scored), "Model", 3) == (
        "passes",
        "60% theta + 40% naive was selected among 9 candidates on backtest",
    )


@pytest.mark.parametrize(
    ("model", "higher", "verdict"),
    [(1.0, False, "passes"), (2.0, False, "not passed"), (3.0, True, "passes"), (1.0, True, "not passed")],
)
def test_a_model_must_be_better_than_the_best_baseline(
    bare: Evidence, run: RunOutputs, model: float, higher: bool, verdict: str
) -> None:
    headline = {"metric": "mae", "model": model, "baseline": 2.0, "higher_is_better": higher}
    seen = replace(bare, last_run=replace(run, scores=SCORES.model_copy(update={"headline": Headline(**headline)})))

    assert of(seen, "Model", 5)[0] == verdict


def test_slices_in_which_a_baseline_is_as_good_are_named(bare: Evidence, run: RunOutputs) -> None:
    assert of(replace(bare, last_run=replace(run, losing_slices=["step 2"])), "Model", 6) == (
        "not passed",
        "not better than naive in step 2 (1 in all)",
    )
    assert of(replace(bare, last_run=replace(run, losing_slices=None)), "Model", 6)[0] == "by hand"


def test_a_model_that_was_promoted_by_hand_was_not_judged(bare: Evidence) -> None:
    assert of(replace(bare, champion=version(judged=True)), "Infrastructure", 4)[0] == "passes"
    assert of(replace(bare, champion=version(judged=False)), "Infrastructure", 4)[0] == "not passed"


def test_checks_that_fail_do_not_pass(bare: Evidence) -> None:
    failed = {name: replace(check, verdict="failed") for name, check in bare.checks.items()}

    assert [of(replace(bare, checks=failed), "Infrastructure", number)[0] for number in (1, 2)] == ["not passed"] * 2


def test_a_champion_may_not_become_older_than_it_may_be(bare: Evidence, run: RunOutputs) -> None:
    seen = everything(bare, run)

    assert of(seen, "Monitoring", 4)[0] == "passes"
    assert of(replace(seen, today=NOW + timedelta(days=31)), "Monitoring", 4)[0] == "not passed"


def test_inputs_that_have_moved_are_told_where_there_is_no_schema(bare: Evidence) -> None:
    assert of(replace(bare, drift=Drift(errors=None, inputs=[moved(False)])), "Monitoring", 2)[0] == "passes"
    verdict, told = of(replace(bare, drift=Drift(errors=None, inputs=[moved(True)])), "Monitoring", 2)
    assert verdict == "not passed"
    assert "rain" in told


def test_a_loss_that_is_no_number_does_not_pass(bare: Evidence, run: RunOutputs) -> None:
    assert of(replace(bare, last_run=replace(run, losses=[1.0, float("nan")])), "Monitoring", 5)[0] == "not passed"
    assert of(replace(bare, last_run=replace(run, losses=[])), "Monitoring", 5)[0] == "by hand"


@pytest.mark.parametrize(
    ("metric", "higher", "behind"),
    [("accuracy", True, ["town Köln", "town Ulm"]), ("mase", False, ["town Aalen", "town Köln", "town Ulm"])],
)
def test_slices_are_compared_with_the_best_baseline_in_the_metric_of_the_headline(
    tmp_path: Path, metric: str, higher: bool, behind: list[str]
) -> None:
    """In Köln both are as good, in Ulm the model has no score, and of Rom there are too few examples to tell."""
    labels = {
        "part": "test",
        "by": ["all", *["town"] * 4],
        "group": ["", "Aalen", "Köln", "Ulm", "Rom"],
        "examples": [149, 30, 40, 50, 29],
        "mae": 1.0,
    }
    of_model = pd.DataFrame(labels | {"forecaster": "model", metric: [0.9, 0.8, 0.6, None, 0.5]})
    of_baseline = pd.DataFrame(labels | {"forecaster": "naive", metric: [0.1, 0.7, 0.6, 0.4, 0.5]})
    write_table(tmp_path / "scores.parquet", pd.concat([of_model, of_baseline, of_model.assign(part="validation")]))

    headline = Headline(metric=metric, model=0.9, baseline=0.1, higher_is_better=higher)
    assert losing_slices(tmp_path, SCORES.model_copy(update={"headline": headline})) == behind


def test_slices_of_few_examples_are_none(tmp_path: Path) -> None:
    table = {"part": "test", "by": ["step"], "group": "1", "examples": 29, "forecaster": "model", "mae": 1.0}
    write_table(tmp_path / "scores.parquet", pd.DataFrame(table))

    assert losing_slices(tmp_path, SCORES) is None


def test_the_score_is_told_in_the_paper_s_words() -> None:
    assert meaning(0).startswith("a research project")
    assert meaning(0.5) == meaning(1) != meaning(1.5)
    assert meaning(7).startswith("exceptionally")


def test_a_test_is_named_and_numbered_as_in_the_paper(bare: Evidence) -> None:
    first, *_, last = run_tests(bare)

    assert isinstance(first, ScoredTest)
    assert (first.section, first.number) == ("Data", 1)
    assert (last.section, last.number) == ("Monitoring", 7)
    assert last.title == "Prediction quality has not regressed on served data"
