"""What is seen of a pipeline: its settings, its last run and what that left, its versions, its retrainings."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gristmill.checks.overfit_check import Check
from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.domains.common import permutation_importance as importance
from gristmill.errors import CorruptArtifact
from gristmill.registry.lineage import Git, git_of
from gristmill.registry.promotions import Promotion
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.runs.plan import is_fresh, plan
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import CHAMPION, Drift, Judgement
from gristmill.runs.scores import Scores
from gristmill.sweeps import trials
from gristmill.sweeps.leaderboard import LeaderboardEntry, leaderboard
from gristmill.util.table_io import read_document, read_table

_SLICE = 30  # examples that a slice has at least: what a model does in fewer is chance


@dataclass(frozen=True)
class RunOutputs:
    """The run that holds today, or else the last successful one, and what its artifacts tell."""

    record: Record
    fresh: bool  # whether a run of today would do nothing
    scores: Scores  # of its bundle: with the parity
    proved: int  # examples that the bundle's models were compared on
    importance: dict[str, Any] | None  # of features, where there is more than one
    behind: list[str] | None  # slices in which the model is not better than the best baseline; None without slices
    losses: list[float]  # of the training's epochs
    libraries: dict[str, str]  # versions that its training's key holds
    seconds: float  # of training
    peak: float  # MiB


@dataclass(frozen=True)
class Evidence:
    """All that the tests of the rubric look at."""

    pipeline: Pipeline
    deny: tuple[str, ...]  # patterns of columns that no pipeline may name
    checks: dict[str, Check]  # by name
    left: RunOutputs | None  # None before the first run that succeeded
    places: list[LeaderboardEntry]  # of its sweep
    champion: Version | None
    promotion: Promotion | None  # that made it the champion
    judgement: Judgement | None  # the last one of a retraining that set a challenger beside a champion
    drift: Drift | None  # the last one that was looked for
    git: Git
    today: datetime


def gather(catalogue: Catalogue, name: str, checks: list[Check]) -> Evidence:
    """Return what is seen of a pipeline."""
    runs, registry = Runs(catalogue.store), Registry(catalogue.store)
    retrainings = [record.retraining for record in runs.newest_first(name) if record.retraining]
    judgements = [found.judgement for found in retrainings if found.judgement and CHAMPION in found.judgement.scores]
    pipeline = catalogue.pipeline(name)
    tried = [(trial, trials.outcome(catalogue, trial.pipeline)) for trial in _trials(catalogue, pipeline)]
    return Evidence(
        pipeline=pipeline,
        deny=catalogue.deny,
        checks={check.name: check for check in checks},
        left=_left(catalogue, runs, name),
        places=leaderboard(tried),
        champion=registry.champion(name),
        promotion=next(registry.promotions(name), None),
        judgement=next(iter(judgements), None),
        drift=next((found.drift for found in retrainings if found.drift), None),
        git=git_of(catalogue.root),
        today=datetime.now(UTC),
    )


def _trials(catalogue: Catalogue, pipeline: Pipeline) -> list[trials.Trial]:
    return trials.trials(catalogue, pipeline.name, []) if pipeline.sweep else []


def _left(catalogue: Catalogue, runs: Runs, name: str) -> RunOutputs | None:
    """Return what the run of today left, or else the last one; None where something of it is gone or damaged.

    A run by other settings (`--set`) may have come after that of today: it says nothing of today's pipeline.
    """
    steps = plan(catalogue, catalogue.pipeline(name))
    today = {step.stage: step.artifact.reference for step in steps if step.artifact} if is_fresh(steps) else None
    of_today = (record for record in runs.newest_first(name) if record.references == today)
    record = next((record for record in of_today if record.outcome == "succeeded"), None)
    record = record or runs.latest_own(catalogue.pipeline(name))
    if record is None:
        return None
    with contextlib.suppress(CorruptArtifact):
        artifacts = {label: catalogue.store.open_verified(reference) for label, reference in record.references.items()}
        train, evaluate, export = (artifacts[stage] for stage in ("train", "evaluate", "export"))
        scores = Scores.read(export.path)
        weighed = evaluate.path / importance.IMPORTANCE_FILE
        return RunOutputs(
            record=record,
            fresh=record.references == today,
            scores=scores,
            proved=sum(count for what, count in export.counts.items() if what.startswith("parity_")),
            importance=read_document(weighed) if weighed.exists() else None,
            behind=slices_behind(evaluate.path, scores),
            losses=read_table(train.path / "epochs.parquet")["loss"].tolist(),
            libraries=train.manifest["made_of"]["libraries"],
            seconds=train.manifest["measures"]["seconds"],
            peak=train.manifest["measures"]["peak_memory_mib"],
        )
    return None


def slices_behind(evaluate: Path, scores: Scores) -> list[str] | None:
    """Return the slices of the test part in which the model is not better than the best baseline; None without any.

    They are compared by the metric of the headline; a slice in which it is not defined is one of them.

    Args:
        evaluate: folder of the evaluation.
        scores: those of the run.
    """
    if not (evaluate / "scores.parquet").exists():
        return None
    table = read_table(evaluate / "scores.parquet")
    table = table[(table["part"] == "test") & ~table["by"].isin(["all", "class"]) & (table["examples"] >= _SLICE)]
    if table.empty:
        return None
    values: Any = table.set_index(["forecaster", "by", "group"])[scores.metric].astype(float)
    model, baseline = values["model"], values[scores.best_baseline]
    better = model > baseline if scores.higher_is_better else model < baseline
    return [f"{by} {group}" for by, group in model.index[~better]]
