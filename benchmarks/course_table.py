"""Compare the networks of the course with gristmill's pipelines, several seeds each; write docs/course.md.

    benchmarks/course_table.py [NAME...] [--jobs N]

`course.toml` lists the networks with their published scores and the scores of the course's code on our split. Named
pipelines are run, which takes hours for all of them and nothing for trials in the cache. The other scores are those of
earlier runs, which `course.json` keeps by pipeline and seed.
"""

import argparse
import dataclasses
import itertools
import json
import statistics
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from measuring import ROOT, table

from gristmill.project.project import Project
from gristmill.runs.plan import plan
from gristmill.settings.number_text import format_number
from gristmill.sweeps.trials import SweepPoint, Trial, TrialScores

FOLDER = Path(__file__).parent
ABOUT = """\
*The course* is the specialization "TensorFlow in Practice" by DeepLearning.AI on Coursera, taught by Laurence
Moroney. It was later renamed to "DeepLearning.AI TensorFlow Developer". Its four courses are:

1. Introduction to TensorFlow for Artificial Intelligence, Machine Learning, and Deep Learning
2. Convolutional Neural Networks in TensorFlow
3. Natural Language Processing in TensorFlow
4. Sequences, Time Series and Prediction

The pipelines of `pipelines.toml` include its networks. This page compares both. Scores are those of the test
set: the mean ± the standard deviation over seeds, which are 42, the default, and the following numbers. The
course's code was rewritten, trained on the same examples and scored on the same test set. Published scores are
from the course's own split. The best baseline is the one that is best on the test set. Seconds are the training
time of one network on a machine with other work.

A row is *not run* if its data or weights were missing. `sign_mnist` reads Kaggle's two tables,
`sign_mnist_train.csv` and `sign_mnist_test.csv`. The data of two rows differ from the original. `horses_or_humans`
has its training images alone, and is tested with figures that it does not learn from. `rock_paper_scissors` has
28 pixels a side. With `--set source.download=true`, both run on the original data. `benchmarks/course_table.py`
writes this page."""
HEADINGS = [
    "week",
    "network",
    "pipeline",
    "gristmill",
    "course's code",
    "published",
    "best baseline",
    "train s",
    "made",
]


@dataclasses.dataclass(frozen=True)
class CourseCode:
    """Scores of the course's own code on our split."""

    scores: list[float]  # by seed
    epochs: int
    date: date
    versions: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One network of the course."""

    course: int
    week: str
    what: str
    pipeline: str
    published: str  # published scores, quoted from the course
    split: str  # the data behind the published scores
    seeds: int = 3
    settings: tuple[str, ...] = ()  # as for `--set`, if the pipeline is not run as it is
    code: CourseCode | None = None  # None if it was not run
    note: str = ""  # why our score is worse, if it is


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The scores of one trial that the table shows."""

    metric: str
    test: float
    baseline: float
    best_baseline: str
    higher_is_better: bool
    seconds: float
    made: str  # date
    libraries: str

    @classmethod
    def of(cls, trial: TrialScores, manifest: Mapping[str, Any]) -> "Outcome":
        """Return what the table shows of a trial; the manifest is that of its scores.

        The published scores of classifiers are accuracies, their secondary metric.
        """
        versions, scores = manifest["made_of"]["libraries"], trial.scores
        metric = scores.headline.secondary_metric or scores.metric
        return cls(
            metric,
            scores.model["test"][metric] or 0.0,
            scores.best["test"][metric] or 0.0,
            scores.best_baseline,
            scores.higher_is_better or metric != scores.metric,
            round(trial.seconds, 1),
            manifest["created"][:10],
            f"keras {versions['keras']}, tensorflow {versions['tensorflow']}",
        )


Outcomes = dict[str, dict[str, Outcome]]  # by pipeline and seed


def read_rows(file: Path = FOLDER / "course.toml") -> list[Row]:
    """Return the networks of the course."""
    rows = tomllib.loads(file.read_text())["rows"]
    for row in rows:
        row["settings"] = tuple(row.get("settings", ()))
        row["code"] = CourseCode(**row["code"]) if "code" in row else None
    return [Row(**row) for row in rows]


def read_outcomes(file: Path = FOLDER / "course.json") -> Outcomes:
    """Return the scores of earlier runs."""
    kept = json.loads(file.read_text())
    return {name: {seed: Outcome(**one) for seed, one in by_seed.items()} for name, by_seed in kept.items()}


def write_outcomes(outcomes: Outcomes, file: Path = FOLDER / "course.json") -> None:
    """Keep scores for later calls."""
    kept = {name: {seed: dataclasses.asdict(one) for seed, one in found.items()} for name, found in outcomes.items()}
    file.write_text(json.dumps(kept, indent=1) + "\n")


def run(row: Row, jobs: int | None) -> dict[str, Outcome]:
    """Run a row's pipeline with each of its seeds, and return the scores by seed."""
    project = Project.open(ROOT, {row.pipeline: list(row.settings)})
    pipeline: Any = project.catalogue.pipeline(row.pipeline)
    first, point = pipeline.tables["train"].seed, SweepPoint(row.settings, pipeline, row.pipeline)
    trials = [Trial(point, first + at) for at in range(row.seeds)]
    scores = project.run_trials(row.pipeline, trials, jobs)
    found = {}
    for trial, one in zip(trials, scores, strict=True):
        made = {step.stage: step.artifact for step in plan(project.catalogue, trial.pipeline)}
        if one and (evaluated := made["evaluate"]):
            found[str(trial.seed)] = Outcome.of(one, evaluated.manifest)
    return found


def mean_and_spread(scores: Sequence[float]) -> str:
    """Return the mean of scores, and their standard deviation if there are several."""
    spread = f" ± {format_number(statistics.stdev(scores), 2)}" if len(scores) > 1 else ""
    return f"{format_number(statistics.mean(scores))}{spread}"


def text(rows: Sequence[Row], outcomes: Outcomes) -> str:
    """Return docs/course.md: a table for each course, and remarks."""
    lines = ["# The course", "", ABOUT]
    for course, group in itertools.groupby(rows, key=lambda row: row.course):
        found = [(row, list(outcomes.get(row.pipeline, {}).values())) for row in group]
        cells = [_cells(row, ours) for row, ours in found]
        remarks = [f"- {remark}" for remark in _remarks(found)]
        lines += ["", f"## Course {course}", "", *table(HEADINGS, cells), "", *remarks]
    return "\n".join(lines) + "\n"


def _cells(row: Row, ours: list[Outcome]) -> list[str]:
    code, cells = "not run", ["–"] * 4
    if row.code:
        code = f"{mean_and_spread(row.code.scores)} ({_seeds(len(row.code.scores))}, {row.code.epochs} epochs)"
    if ours:
        first, count = ours[0], f"{len(ours)} of " if len(ours) < row.seeds else ""
        cells = [
            f"{first.metric} {mean_and_spread([one.test for one in ours])} ({count}{_seeds(row.seeds)})",
            f"{format_number(first.baseline)} {first.best_baseline}",
            f"{statistics.mean(one.seconds for one in ours):,.0f}",
            max(one.made for one in ours),
        ]
    return [row.week, row.what, row.pipeline, cells[0], code, row.published, *cells[1:]]


def _remarks(found: Sequence[tuple[Row, list[Outcome]]]) -> Iterator[str]:
    """Yield why scores are missing or worse, the split of published scores, and versions."""
    for row, ours in found:
        if not ours:
            yield f"{row.what}: not run."
        if row.note:
            yield f"{row.what}: {row.note}"
        elif row.code and ours and _is_worse(ours, row.code):
            yield f"{row.what}: gristmill is worse than the course's code; the reason is not known yet."
    for split, group in itertools.groupby(found, key=lambda pair: pair[0].split):
        yield f"Published on {split}: {', '.join(row.pipeline for row, _ in group)}."
    if libraries := {one.libraries for _, ours in found for one in ours}:
        yield f"gristmill's scores were measured with {'; '.join(sorted(libraries))}."
    if code := {f"{row.code.versions} on {row.code.date}" for row, _ in found if row.code}:
        yield f"The course's code was run with {'; '.join(sorted(code))}."


def _is_worse(ours: list[Outcome], code: CourseCode) -> bool:
    own, theirs = statistics.mean(one.test for one in ours), statistics.mean(code.scores)
    return own < theirs if ours[0].higher_is_better else own > theirs


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count > 1)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pipelines to run")
    parser.add_argument("--jobs", type=int, help="trials at a time")
    asked = parser.parse_args()
    rows, outcomes = read_rows(), read_outcomes()
    if unknown := set(asked.names) - {row.pipeline for row in rows}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}. Known: {', '.join(row.pipeline for row in rows)}.")
    for row in rows:
        if row.pipeline in asked.names:
            outcomes[row.pipeline] = outcomes.get(row.pipeline, {}) | run(row, asked.jobs)
            write_outcomes(outcomes)
    (ROOT / "docs/course.md").write_text(text(rows, outcomes))


if __name__ == "__main__":
    main()
