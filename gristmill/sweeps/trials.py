"""A sweep: other settings of a pipeline, tried seed by seed.

A trial is a run as far as evaluate, so what it makes is found by its keys as everything is: nothing that was tried
before is tried again, be it by a sweep that was killed, by `gristmill run --set` or on another machine.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gristmill.config import catalogue as config
from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.runs import plan
from gristmill.runs.records import Runs
from gristmill.runs.scores import Scores
from gristmill.store.artifact import Reference
from gristmill.sweeps import points
from gristmill.sweeps.leaderboard import TrialScores
from gristmill.util.urls import redact

LAST = "evaluate"  # the stage that a trial ends with
AS_IT_IS = "as it is"  # label of a point that sets nothing which others do not


@dataclass(frozen=True)
class SweepPoint:
    """Settings that stand in place of the pipeline's own."""

    assignments: tuple[str, ...]  # as `--set` takes them
    pipeline: Pipeline  # with them
    label: str  # what sets it apart from the other points


@dataclass(frozen=True)
class Trial:
    """A point with one seed."""

    point: SweepPoint
    seed: int

    @property
    def assignments(self) -> list[str]:
        """As `--set` takes them."""
        return [*self.point.assignments, f"train.seed={self.seed}"]

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline with the settings of the trial."""
        tables = self.point.pipeline.tables
        train = tables["train"].model_copy(update={"seed": self.seed})
        return replace(self.point.pipeline, tables={**tables, "train": train})

    def __str__(self) -> str:
        return f"{self.point.label}, seed {self.seed}"


def trials(catalogue: Catalogue, name: str, overrides: Iterable[str]) -> list[Trial]:
    """Return what a pipeline's sweep tries, point by point.

    Args:
        catalogue: of the project.
        name: the pipeline.
        overrides: assignments that hold for every point that does not make them itself.

    Raises:
        RequestError: the pipeline has no sweep, or settings of a point do not hold; one line for each mistake.
    """
    sweep = catalogue.pipeline(name).sweep
    if sweep is None:
        raise RequestError(
            f"[pipelines.{name}.sweep] is missing, so there is nothing to try. "
            "Name settings and what to try, such as: model.units = [[128], [512]]"
        )
    shared, found = list(overrides), list[SweepPoint]()
    problems: dict[str, list[str]] = {}  # to the points that have them
    every = list(dict.fromkeys(points.assignments(sweep)))
    common = set.intersection(*map(set, every)) if len(every) > 1 else set()
    for assignments in every:
        label = ", ".join(assignment for assignment in assignments if assignment not in common) or AS_IT_IS
        try:
            changed = config.read(catalogue.root, {name: (*shared, *assignments)})
            _refuse_without_choice(changed.pipeline(name))
        except RequestError as error:
            for line in str(error).splitlines():
                problems.setdefault(line, []).append(redact(label))
            continue
        found.append(SweepPoint(assignments, changed.pipeline(name), label))
    if problems:
        raise RequestError("\n".join(_problem_lines(problems, name, len(every))))
    return [Trial(point, seed) for point in found for seed in _seeds(point, sweep.seeds)]


def by_seed(catalogue: Catalogue, name: str, count: int) -> list[Trial]:
    """Return trials of a pipeline as it is, which differ in their seeds alone."""
    point = SweepPoint((), catalogue.pipeline(name), AS_IT_IS)
    return [Trial(point, seed) for seed in _seeds(point, count)]


def outcome(catalogue: Catalogue, pipeline: Pipeline) -> TrialScores | None:
    """Return what a trial with these settings came to; None of one that is still to be tried."""
    made = {step.stage: step.artifact for step in plan.plan(catalogue, pipeline) if step.artifact}
    if LAST not in made:
        return None
    try:
        scored = catalogue.store.open_verified(made[LAST].reference, by_stat=True)
    except CorruptArtifact:  # gone from the shared store since it was seen there
        return None
    train, evaluate = made["train"], scored.manifest
    return TrialScores(
        Scores.read(scored.path),
        train.manifest["measures"]["seconds"],
        train.counts.get("parameters"),
        evaluate["created"],
        evaluate["made_of"]["libraries"],
    )


def kept(catalogue: Catalogue, others: Iterable[Trial] = ()) -> Iterator[Reference]:
    """Yield what a sweep of today's settings finds, or one of some other trials, be its data in sight or not."""
    swept = (trials(catalogue, name, []) for name, pipeline in catalogue.pipelines.items() if pipeline.sweep)
    runs = Runs(catalogue.store)
    for trial in itertools.chain(*swept, others):
        yield from (step.artifact.reference for step in plan.plan(catalogue, trial.pipeline) if step.artifact)
        if record := runs.latest_trial(trial.pipeline):
            yield from record.references.values()


def _problem_lines(problems: Mapping[str, list[str]], name: str, of: int) -> Iterator[str]:
    """Yield a line for each mistake, with the points that have it; one that all have, such as a missing part, once."""
    for line, labels in problems.items():
        which = "every point" if len(labels) == of > 1 else f"point {'; '.join(labels)}"
        yield f"[pipelines.{name}.sweep] {which}: {line}"


def _refuse_without_choice(pipeline: Pipeline) -> None:
    tables: Mapping[str, Any] = pipeline.tables
    if not tables["preprocess"].validation and not getattr(tables.get("backtest"), "windows", 0):
        backtest = ", or backtest.windows = 3" if "backtest" in tables else ""
        raise RequestError(
            "there is no validation part to choose by, and the test part must not be chosen on. "
            f"Set preprocess.validation, in the sweep too: preprocess.validation = [0.1]{backtest}."
        )


def _seeds(point: SweepPoint, count: int) -> range:
    train: Any = point.pipeline.tables["train"]
    return range(train.seed, train.seed + count)
