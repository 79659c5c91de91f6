"""Evidence on a pipeline, and the results that tests of the ML Test Score draw from it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gristmill.checks.overfit_check import Check
from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.domains.common import permutation_importance as importance
from gristmill.errors import CorruptArtifact
from gristmill.registry.promotions import Promotion
from gristmill.registry.registry import Registry
from gristmill.registry.version import Git, Version, git_of
from gristmill.runs.plan import is_fresh, plan
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import CHAMPION, Drift, Judgement
from gristmill.runs.scores import MODEL, Scores
from gristmill.sweeps import trials
from gristmill.sweeps.leaderboard import LeaderboardEntry, leaderboard
from gristmill.util.table_io import read_document, read_table

MIN_EXAMPLES_PER_SLICE = 30  # scores of smaller slices are too noisy to compare models


@dataclass(frozen=True)
class RunOutputs:
    """The run that matches the current plan, otherwise the last successful run, with figures from its artifacts."""

    record: Record
    fresh: bool  # whether another run would do nothing
    scores: Scores  # scores of the bundle, including the parity difference
    parity_examples: int  # examples whose predictions were compared with the bundle's
    importance: dict[str, Any] | None  # permutation importance; None with a single feature
    losing_slices: list[str] | None  # where the model does not beat the best baseline; None without slices
    losses: list[float]  # by epoch


@dataclass(frozen=True)
class Evidence:
    """Input of the tests of the ML Test Score."""

    pipeline: Pipeline
    deny: tuple[str, ...]  # patterns of columns that no pipeline may name
    checks: dict[str, Check]  # by name
    last_run: RunOutputs | None  # None before the first successful run
    leaderboard: list[LeaderboardEntry]  # of its sweep
    champion: Version | None
    promotion: Promotion | None  # the last promotion
    judgement: Judgement | None  # the last retraining's comparison of a challenger with a champion
    drift: Drift | None  # result of the last drift tests
    git: Git
    today: datetime


@dataclass(frozen=True)
class RubricResult:
    """Result of one test: the evidence if it passes, else what to do or what a person must review."""

    verdict: Literal["passes", "not passed", "by hand"]
    details: str


passes = partial(RubricResult, "passes")
fails = partial(RubricResult, "not passed")
by_hand = partial(RubricResult, "by hand")


def of_run(test: Callable[[RunOutputs], RubricResult]) -> Callable[[Evidence], RubricResult]:
    """Turn a test of the last run into a test of all evidence that fails without a run."""

    def run(evidence: Evidence) -> RubricResult:
        return test(evidence.last_run) if evidence.last_run else fails(f"gristmill run {evidence.pipeline.name}")

    return run


def gather(catalogue: Catalogue, name: str, checks: list[Check]) -> Evidence:
    """Collect the evidence on a pipeline; `checks` are the results of its overfit checks."""
    runs, registry = Runs(catalogue.store), Registry(catalogue.store)
    retrainings = [record.retraining for record in runs.newest_first(name) if record.retraining]
    judgements = [one.judgement for one in retrainings if one.judgement and CHAMPION in one.judgement.scores]
    pipeline = catalogue.pipeline(name)
    swept = trials.sweep_trials(catalogue, name, []) if pipeline.sweep else []
    return Evidence(
        pipeline=pipeline,
        deny=catalogue.deny,
        checks={check.name: check for check in checks},
        last_run=_last_run(catalogue, runs, pipeline),
        leaderboard=leaderboard([(trial, trials.trial_scores(catalogue, trial.pipeline)) for trial in swept]),
        champion=registry.champion(name),
        promotion=next(registry.promotions(name), None),
        judgement=next(iter(judgements), None),
        drift=next((one.drift for one in retrainings if one.drift), None),
        git=git_of(catalogue.root),
        today=datetime.now(UTC),
    )


def _last_run(catalogue: Catalogue, runs: Runs, pipeline: Pipeline) -> RunOutputs | None:
    """Return the run to judge; None if there is none, or if one of its artifacts is missing or damaged."""
    steps = plan(catalogue, pipeline)
    today = {step.stage: step.artifact.reference for step in steps if step.artifact} if is_fresh(steps) else None
    succeeded = (record for record in runs.newest_first(pipeline.name) if record.outcome == "succeeded")
    record = next((record for record in succeeded if record.references == today), None) or runs.latest_own(pipeline)
    if record is None:
        return None
    with contextlib.suppress(CorruptArtifact):
        artifacts = {label: catalogue.store.open_verified(reference) for label, reference in record.references.items()}
        train, evaluate, export = (artifacts[stage] for stage in (record.model_stage, "evaluate", "export"))
        scores = Scores.read(export.path)
        importance_file = evaluate.path / importance.IMPORTANCE_FILE
        return RunOutputs(
            record=record,
            fresh=record.references == today,
            scores=scores,
            parity_examples=sum(count for name, count in export.counts.items() if name.startswith("parity_")),
            importance=read_document(importance_file) if importance_file.exists() else None,
            losing_slices=losing_slices(evaluate.path, scores),
            losses=read_table(train.path / "epochs.parquet")["loss"].tolist(),
        )
    return None


def losing_slices(evaluate: Path, scores: Scores) -> list[str] | None:
    """Return the slices of the test set in which the model does not beat the best baseline; None without slices.

    They are compared by the metric of the headline; a slice in which it is undefined counts as lost.
    """
    if not (evaluate / "scores.parquet").exists():
        return None
    forecasters = (MODEL, scores.best_baseline)
    table = read_table(evaluate / "scores.parquet", part="test", forecaster=forecasters)
    is_slice = ~table["by"].isin(["all", "class"])
    table = table[is_slice & (table["examples"] >= MIN_EXAMPLES_PER_SLICE)]
    if table.empty:
        return None
    values: Any = table.set_index(["forecaster", "by", "group"])[scores.metric].astype(float)
    model, baseline = values[MODEL], values[scores.best_baseline]
    better = model > baseline if scores.higher_is_better else model < baseline
    return [f"{by} {group}" for by, group in model.index[~better]]
