"""A sweep: other settings of a pipeline tried seed by seed, and chosen among by their validation scores.

A trial is a run as far as evaluate, so what it makes is found by its keys as everything is: nothing that was tried
before is tried again, be it by a sweep that was killed, by `gristmill run --set` or on another machine.
"""

import itertools
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gristmill import config, plan, points
from gristmill.artifact import Artifact
from gristmill.config import Catalogue, Pipeline
from gristmill.errors import RequestError

LAST = "evaluate"  # the stage that a trial ends with
AS_IT_IS = "as it is"  # label of a point that sets nothing which others do not


@dataclass(frozen=True)
class Point:
    """Settings that stand in place of the pipeline's own."""

    assignments: tuple[str, ...]  # as `--set` takes them
    pipeline: Pipeline  # with them
    label: str  # what sets it apart from the other points


@dataclass(frozen=True)
class Trial:
    """A point with one seed."""

    point: Point
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


@dataclass(frozen=True)
class Outcome:
    """What a trial came to."""

    scores: Mapping[str, Any]  # as evaluate wrote them
    seconds: float  # of training
    parameters: int | None  # of the network; None of a model that has none
    made: str  # when it was scored, ISO 8601
    versions: Mapping[str, str]  # of the libraries that it was scored with

    @property
    def metric(self) -> str:
        return str(self.scores["headline"]["metric"])

    @property
    def validation(self) -> float | None:
        """The score to choose by: of the validation part, or the mean of a backtest's; None where there is neither."""
        by_part = self.scores["model"].get("validation")
        if by_part is not None:
            return _known(by_part[self.metric])
        blocks = self.scores.get("backtest")
        return _known(blocks["forecasters"]["model"][self.metric]["mean"]) if blocks else None

    @property
    def chosen_on(self) -> str:
        """What `validation` is the score of, in words."""
        return "validation" if self.scores["model"].get("validation") is not None else "backtest"

    @property
    def test(self) -> float | None:
        """The score that tells how good what was chosen is."""
        return _known(self.scores["model"]["test"][self.metric])


@dataclass(frozen=True)
class Place:
    """A point on the leaderboard."""

    point: Point
    outcomes: list[Outcome]  # of the seeds that came to one
    of: int  # seeds in all

    def mean(self, part: str) -> float | None:
        """Return the mean score over the seeds; None where one is missing."""
        found = self.values(part)
        return statistics.mean(found) if found and len(found) == len(self.outcomes) else None

    def spread(self, part: str) -> float | None:
        """Return the standard deviation over the seeds, of two or more."""
        found = self.values(part)
        return statistics.stdev(found) if len(found) > 1 else None

    def values(self, part: str) -> list[float]:
        """Return the scores of the seeds that have one."""
        return [value for outcome in self.outcomes if (value := getattr(outcome, part)) is not None]

    @property
    def seconds(self) -> float:
        return statistics.mean(outcome.seconds for outcome in self.outcomes)

    @property
    def whole(self) -> bool:
        """Whether every seed came to scores."""
        return len(self.outcomes) == self.of

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, with the scores of every seed."""
        outcomes = [
            {"validation": outcome.validation, "test": outcome.test, "seconds": outcome.seconds}
            for outcome in self.outcomes
        ]
        parameters = self.outcomes[0].parameters if self.outcomes else None
        means = {part: self.mean(part) for part in ("validation", "test")}
        return {
            "point": list(self.point.assignments),
            "mean": means,
            "parameters": parameters,
            "seeds": self.of,
            "outcomes": outcomes,
        }


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
    shared, found = list(overrides), list[Point]()
    problems: dict[str, list[str]] = {}  # to the points that have them
    every = list(dict.fromkeys(points.assignments(sweep)))
    common = set.intersection(*map(set, every)) if len(every) > 1 else set()
    for assignments in every:
        label = ", ".join(assignment for assignment in assignments if assignment not in common) or AS_IT_IS
        try:
            changed = config.load(catalogue.root, {name: [*shared, *assignments]})
            _refuse_without_choice(changed.pipeline(name))
        except RequestError as error:
            for line in str(error).splitlines():
                problems.setdefault(line, []).append(label)
            continue
        found.append(Point(assignments, changed.pipeline(name), label))
    if problems:
        raise RequestError("\n".join(_problem_lines(problems, name, len(every))))
    return [Trial(point, seed) for point in found for seed in _seeds(point, sweep.seeds)]


def seeds(catalogue: Catalogue, name: str, count: int) -> list[Trial]:
    """Return trials of a pipeline as it is, which differ in their seeds alone."""
    point = Point((), catalogue.pipeline(name), AS_IT_IS)
    return [Trial(point, seed) for seed in _seeds(point, count)]


def outcome(catalogue: Catalogue, pipeline: Pipeline) -> Outcome | None:
    """Return what a trial with these settings came to; None of one that is still to be tried."""
    made = {step.stage: step.artifact for step in plan.plan(catalogue, pipeline) if step.artifact}
    if LAST not in made:
        return None
    scores = json.loads((made[LAST].path / "scores.json").read_text())
    train, evaluate = made["train"], made[LAST].manifest
    return Outcome(
        scores,
        train.manifest["measures"]["seconds"],
        train.counts.get("parameters"),
        evaluate["created"],
        evaluate["made_of"]["libraries"],
    )


def kept(catalogue: Catalogue, others: Iterable[Trial] = ()) -> Iterator[Artifact]:
    """Yield every artifact that a sweep of today's settings would find, or one of some other trials."""
    swept = (trials(catalogue, name, []) for name, pipeline in catalogue.pipelines.items() if pipeline.sweep)
    for trial in itertools.chain(*swept, others):
        yield from (step.artifact for step in plan.plan(catalogue, trial.pipeline) if step.artifact)


def leaderboard(tried: Iterable[tuple[Trial, Outcome | None]]) -> list[Place]:
    """Return the points of trials that stand side by side, the best by validation first, those without a score last."""
    places = []
    for _, group in itertools.groupby(tried, key=lambda item: item[0].point.assignments):
        found = list(group)
        places.append(Place(found[0][0].point, [outcome for _, outcome in found if outcome], len(found)))
    better = -1 if any(_higher_is_better(place) for place in places) else 1

    def order(place: Place) -> tuple[bool, float]:
        mean = place.mean("validation")
        return mean is None or not place.whole, math.inf if mean is None else better * mean

    return sorted(places, key=order)


def best(places: list[Place]) -> Place | None:
    """Return the point to take: the first one, if all its seeds came to a score."""
    first = places[0]
    return first if first.whole and first.mean("validation") is not None else None


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


def _higher_is_better(place: Place) -> bool:
    return any(outcome.scores["headline"].get("higher_is_better", False) for outcome in place.outcomes)


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _seeds(point: Point, count: int) -> range:
    train: Any = point.pipeline.tables["train"]
    return range(train.seed, train.seed + count)
