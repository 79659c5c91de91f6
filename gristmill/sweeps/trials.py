"""The trials of a sweep: a pipeline with other settings, trained once per seed.

A trial is a run up to evaluate, and its artifacts have ordinary cache keys. So a trial that was run before, by a
killed sweep, by `gristmill run --set` or on another machine, is a cache hit.
"""

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gristmill.config.candidates import has_validation
from gristmill.config.catalogue import Catalogue, Pipeline, read
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.runs import plan
from gristmill.runs.records import Runs
from gristmill.scores import Scores
from gristmill.settings.selection import Auto, Range, Sweep
from gristmill.store.artifact import Reference
from gristmill.store.store import Store
from gristmill.util.toml import toml_value
from gristmill.util.urls import redact

LAST_STAGE = "evaluate"  # of a trial
UNCHANGED = "unchanged"  # label of a point without assignments of its own


@dataclass(frozen=True)
class SweepPoint:
    """Settings that replace the pipeline's own."""

    assignments: tuple[str, ...]  # as for `--set`
    pipeline: Pipeline  # with these settings
    label: str  # assignments that differ between points


@dataclass(frozen=True)
class Trial:
    """A point with one seed."""

    point: SweepPoint
    seed: int

    @property
    def assignments(self) -> list[str]:
        """The settings of the trial, as for `--set`."""
        return [*self.point.assignments, f"train.seed={self.seed}"]

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline with the settings of the trial."""
        tables = self.point.pipeline.tables
        train = tables["train"].model_copy(update={"seed": self.seed})
        return replace(self.point.pipeline, tables={**tables, "train": train})


@dataclass(frozen=True)
class TrialScores:
    """The scores of one trial."""

    scores: Scores
    seconds: float  # of training
    parameters: int | None  # of the network; None for a model without any

    @property
    def metric(self) -> str:
        return self.scores.metric

    @property
    def validation(self) -> float | None:
        """The score to choose by: on the validation set, or the mean over a backtest; None without either."""
        if "validation" in self.scores.model:
            return _finite(self.scores.validation)
        backtest = self.scores.backtest
        return _finite(backtest["forecasters"]["model"][self.metric]["mean"]) if backtest else None

    @property
    def secondary_metric(self) -> str | None:
        """The secondary metric of the headline, which breaks ties: a threshold changes it, but not the loss."""
        return self.scores.headline.secondary_metric

    @property
    def tie_break(self) -> float | None:
        """The secondary metric on the validation set; None without one."""
        metric = self.secondary_metric
        return _finite(self.scores.model.get("validation", {}).get(metric)) if metric else None

    @property
    def chosen_on(self) -> str:
        """Name of the data that `validation` was measured on."""
        return "validation" if "validation" in self.scores.model else "backtest"

    @property
    def test(self) -> float | None:
        """The score on the test set."""
        return _finite(self.scores.test)


def sweep_trials(catalogue: Catalogue, name: str, overrides: Iterable[str]) -> list[Trial]:
    """Return the trials of a pipeline's sweep, point by point.

    `overrides` are assignments for every point that does not set the same key. `RequestError` is raised if the pipeline
    has no sweep, or with a line for each mistake in the settings of a point.
    """
    sweep = catalogue.pipeline(name).sweep
    if sweep is None:
        raise RequestError(
            f"[pipelines.{name}.sweep] is missing, so there is nothing to try. "
            "Name settings and what to try, such as: model.units = [[128], [512]]"
        )
    if isinstance(catalogue.pipeline(name).tables["model"], Auto):
        raise RequestError(
            f'[pipelines.{name}.sweep] cannot be combined with model.kind = "auto", which tries candidates itself. '
            "List the points as model.candidates, or set another kind."
        )
    # Read the settings of each point, and collect the mistakes of all.
    shared, points = list(overrides), list[SweepPoint]()
    problems: dict[str, list[str]] = {}  # labels of the points by message
    combinations = list(dict.fromkeys(point_assignments(sweep)))
    common = set.intersection(*map(set, combinations)) if len(combinations) > 1 else set()
    for assignments in combinations:
        label = ", ".join(assignment for assignment in assignments if assignment not in common) or UNCHANGED
        try:
            changed = read(catalogue.root, {name: (*shared, *assignments)})
            _check_has_validation(changed.pipeline(name))
        except RequestError as error:
            for line in str(error).splitlines():
                problems.setdefault(line, []).append(redact(label))
            continue
        points.append(SweepPoint(assignments, changed.pipeline(name), label))
    if problems:
        lines = []
        for line, labels in problems.items():
            which = "every point" if len(labels) == len(combinations) > 1 else f"point {'; '.join(labels)}"
            lines.append(f"[pipelines.{name}.sweep] {which}: {line}")
        raise RequestError("\n".join(lines))
    # Repeat each point with several seeds.
    trials = []
    for point in points:
        train: Any = point.pipeline.tables["train"]
        trials += [Trial(point, seed) for seed in range(train.seed, train.seed + sweep.seeds)]
    return trials


def trial_scores(catalogue: Catalogue, pipeline: Pipeline) -> TrialScores | None:
    """Return the scores of a trial with these settings; None if it was not run."""
    steps = plan.plan(catalogue, pipeline)
    return scores_of_trial(catalogue.store, {step.stage: step.artifact.reference for step in steps if step.artifact})


def scores_of_trial(store: Store, references: Mapping[str, Reference]) -> TrialScores | None:
    """Return the scores in the artifacts of a trial; None if it has not ended."""
    if LAST_STAGE not in references:
        return None
    try:
        evaluate = store.open_verified(references[LAST_STAGE], by_stat=True)
        train = store.read_manifest(references["train"])
    except CorruptArtifact:  # removed from the shared store meanwhile
        return None
    return TrialScores(Scores.read(evaluate.path), train["measures"]["seconds"], train["counts"].get("parameters"))


def trial_references(catalogue: Catalogue) -> Iterator[Reference]:
    """Yield the artifacts of all sweeps with the current settings, even without their data."""
    swept = (sweep_trials(catalogue, name, []) for name, pipeline in catalogue.pipelines.items() if pipeline.sweep)
    runs = Runs(catalogue.store)
    for trial in itertools.chain(*swept):
        yield from (step.artifact.reference for step in plan.plan(catalogue, trial.pipeline) if step.artifact)
        if record := runs.latest_trial(trial.pipeline):
            yield from record.references.values()


def _check_has_validation(pipeline: Pipeline) -> None:
    tables: Mapping[str, Any] = pipeline.tables
    if not has_validation(tables):
        backtest = ", or backtest.windows = 3" if "backtest" in tables else ""
        raise RequestError(
            "there is no validation set to choose on, and the test set must not be used to choose. "
            f"Set preprocess.validation, in the sweep too: preprocess.validation = [0.1]{backtest}."
        )


def point_assignments(sweep: Sweep) -> Iterator[tuple[str, ...]]:
    """Yield the assignments of each point, such as `("model.units=[128]", "train.epochs=5")`.

    Points are drawn one after another, so that raising `draws` keeps the first ones.
    """
    if sweep.points:
        for point in sweep.points:
            settings: dict[str, Any] = {}  # a table with a kind replaces the whole table
            for table, values in point.items():
                settings |= {table: values} if "kind" in values else _by_key(table, values)
            yield tuple(f"{key}={toml_value(value)}" for key, value in settings.items())
        return
    axes: dict[str, Any] = {}  # `model.units` with values, or `model` with whole tables
    for table, axis in (sweep.model_extra or {}).items():
        axes |= _by_key(table, axis) if isinstance(axis, dict) else {table: axis}
    if sweep.draws is None:
        combinations: Iterable[Iterable[Any]] = itertools.product(*axes.values())
    else:
        numbers = random.Random(sweep.seed)  # noqa: S311 - not for cryptography
        combinations = [[_draw(numbers, axis) for axis in axes.values()] for _ in range(sweep.draws)]
    for combination in combinations:
        yield tuple(f"{key}={toml_value(value)}" for key, value in zip(axes, combination, strict=True))


def _by_key(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{table}.{key}": value for key, value in values.items()}


def _draw(numbers: random.Random, axis: Range | tuple[Any, ...]) -> Any:
    """Draw one value; fractions get four digits, so that people can read and set them."""
    position = numbers.random()
    if isinstance(axis, tuple):
        return axis[int(position * len(axis))]
    whole = isinstance(axis.low, int) and isinstance(axis.high, int)
    low, high = axis.low, axis.high + whole
    value = low * (high / low) ** position if axis.log else low + (high - low) * position
    return int(value) if whole else float(f"{value:.4g}")


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
