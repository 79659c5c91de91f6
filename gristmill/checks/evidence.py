"""What is seen of a pipeline: its settings, its last run and what that left, its versions, its retrainings."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill import importance, sweeps
from gristmill.checks.trainings import Check
from gristmill.config import Pipeline
from gristmill.errors import CorruptArtifact
from gristmill.leaderboard import Place, leaderboard
from gristmill.lineage import Git, git_of
from gristmill.plan import is_fresh
from gristmill.promotions import Promotion
from gristmill.registry import Version
from gristmill.retraining import Drift, Judgement
from gristmill.runs import Record
from gristmill.tables import read_document, read_table

if TYPE_CHECKING:
    from gristmill.project import Project


@dataclass(frozen=True)
class Left:
    """The last successful run, and what its artifacts tell."""

    record: Record
    fresh: bool  # whether a run of today would do nothing
    scores: dict[str, Any]  # those of its bundle: with the parity
    proved: int  # examples that the bundle's models were compared on
    importance: dict[str, Any] | None  # of features, where there is more than one
    behind: list[str] | None  # slices in which the model is no better than the best baseline; None without slices
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
    left: Left | None  # None before the first run that succeeded
    places: list[Place]  # of its sweep
    champion: Version | None
    promotion: Promotion | None  # that made it the champion
    judgement: Judgement | None  # the last one of a retraining that set a challenger beside a champion
    drift: Drift | None  # the last one that was looked for
    git: Git
    today: datetime


def gather(project: "Project", name: str, checks: list[Check]) -> Evidence:
    """Return what is seen of a pipeline."""
    retrainings = [record.retraining for record in project.runs.newest_first(name) if record.retraining]
    judgements = [
        found.judgement for found in retrainings if found.judgement and found.judgement.difference is not None
    ]
    pipeline = project.catalogue.pipeline(name)
    tried = [(trial, sweeps.outcome(project.catalogue, trial.pipeline)) for trial in _trials(project, pipeline)]
    return Evidence(
        pipeline=pipeline,
        deny=project.catalogue.deny,
        checks={check.name: check for check in checks},
        left=_left(project, name),
        places=leaderboard(tried),
        champion=project.registry.champion(name),
        promotion=next(project.registry.promotions(name), None),
        judgement=next(iter(judgements), None),
        drift=next((found.drift for found in retrainings if found.drift), None),
        git=git_of(project.catalogue.root),
        today=datetime.now(UTC),
    )


def _trials(project: "Project", pipeline: Pipeline) -> list[sweeps.Trial]:
    return sweeps.trials(project.catalogue, pipeline.name, []) if pipeline.sweep else []


def _left(project: "Project", name: str) -> Left | None:
    """Return what the last run left; None where there is none, or something of it is gone or damaged."""
    record = project.runs.latest(name, "succeeded")
    if record is None:
        return None
    with contextlib.suppress(CorruptArtifact):
        artifacts = {label: project.store.open(reference) for label, reference in record.references.items()}
        train, evaluate, export = (artifacts[stage] for stage in ("train", "evaluate", "export"))
        scores = read_document(export.path / "scores.json")
        weighed = evaluate.path / importance.FILE
        return Left(
            record=record,
            fresh=is_fresh(project.plan(name)),
            scores=scores,
            proved=sum(count for what, count in export.counts.items() if what.startswith("parity_")),
            importance=read_document(weighed) if weighed.exists() else None,
            behind=slices_behind(evaluate.path, scores["best_baseline"]),
            losses=read_table(train.path / "epochs.parquet")["loss"].tolist(),
            libraries=train.manifest["made_of"]["libraries"],
            seconds=train.manifest["measures"]["seconds"],
            peak=train.manifest["measures"]["peak_memory_mib"],
        )
    return None


def slices_behind(evaluate: Path, baseline: str) -> list[str] | None:
    """Return the slices of the test part in which the model is no better than the best baseline; None without any."""
    if not (evaluate / "scores.parquet").exists():
        return None
    table = read_table(evaluate / "scores.parquet")
    table = table[(table["part"] == "test") & ~table["by"].isin(["all", "class"])]
    if table.empty:
        return None
    metric, better = ("accuracy", 1) if "accuracy" in table else ("mae", -1)
    values = table.pivot_table(index=["by", "group"], columns="forecaster", values=metric, sort=False)
    behind = values.index[better * values["model"] <= better * values[baseline]]
    return [f"{by} {group}" for by, group in behind]
