"""Rows of the course table: published scores, scores of the course's code on our split, and our scores.

`data/course.toml` of the project lists the rows with their pipelines. Our scores are a sweep of the pipeline over
seeds, so a row that was run before is a cache hit. `docs/course.json` keeps the scores by pipeline and seed, because
the store may be removed.
"""

import json
import statistics
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveInt

from gristmill.config.catalogue import Catalogue
from gristmill.errors import GristmillError, RequestError
from gristmill.runs import plan
from gristmill.runs.records import Runs
from gristmill.runs.scores import Scores
from gristmill.settings.base import Settings
from gristmill.settings.messages import Problem, format_number, validate_table
from gristmill.sweeps.leaderboard import TrialScores
from gristmill.sweeps.trials import Trial, seed_trials
from gristmill.util.files import write_atomically

FILE = "data/course.toml"
SAVED_FILE = "docs/course.json"

RunTrials = Callable[[str, list[Trial]], list[TrialScores | None]]
"""Returns the scores of trials of a pipeline, None for a trial without scores."""


class CourseCode(Settings):
    """Scores of the course's own code on our split."""

    scores: Annotated[tuple[float, ...], Field(strict=False, min_length=1)]  # by seed
    epochs: PositiveInt
    date: date
    versions: str


class CourseRow(Settings):
    """One network of the course."""

    course: PositiveInt
    week: str
    what: str
    pipeline: str
    published: str  # published scores, quoted from the course
    split: str  # the data behind the published scores
    seeds: PositiveInt = 3
    code: CourseCode | None = None  # None if it was not run
    note: str = ""  # why our score is worse, if it is


@dataclass(frozen=True)
class CourseResult:
    """A row with our scores."""

    row: CourseRow
    by_seed: Mapping[int, TrialScores]
    missing: str = ""  # why seeds have no scores in this store
    saved: frozenset[int] = frozenset()  # seeds whose scores are from docs/course.json
    failed: bool = False  # whether runs of seeds without scores failed

    @property
    def outcomes(self) -> list[TrialScores]:
        return list(self.by_seed.values())

    @property
    def tests(self) -> list[float]:
        """Scores on the test set, by seed."""
        return [outcome.test for outcome in self.outcomes if outcome.test is not None]

    @property
    def is_worse(self) -> bool:
        """Whether our mean score is worse than that of the course's code."""
        if not self.tests or self.row.code is None:
            return False
        ours, code = statistics.mean(self.tests), statistics.mean(self.row.code.scores)
        return ours < code if self.outcomes[0].scores.higher_is_better else ours > code


def rows(root: Path) -> list[CourseRow]:
    """Return the rows of a project's `data/course.toml`; raise `RequestError` with a line for each mistake."""
    file = root / FILE
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(
            f"{file}: cannot be read ({error.strerror}). Run this in the repository of gristmill, which has the file."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{file}: not valid TOML: {error}.") from None
    problems: list[Problem] = []
    parsed = [
        validate_table(CourseRow, row, f"{FILE} row {at}", problems) for at, row in enumerate(raw.get("rows", []), 1)
    ]
    if problems:
        raise RequestError("\n".join(map(str, problems)))
    return [row for row in parsed if row]


def trials(catalogue: Catalogue) -> Iterator[Trial]:
    """Yield the trials of all rows; none in a project without `data/course.toml`."""
    if (catalogue.root / FILE).exists():
        for row in rows(catalogue.root):
            yield from seed_trials(catalogue, row.pipeline, row.seeds)


def result(
    catalogue: Catalogue, row: CourseRow, run: RunTrials, saved: Mapping[int, TrialScores] | None = None
) -> CourseResult:
    """Return a row with its scores; `saved` holds scores by seed to use if this store has none."""
    asked = seed_trials(catalogue, row.pipeline, row.seeds)
    here, missing, failed = _scores_here(catalogue, row, asked, run)
    others = {trial.seed: saved[trial.seed] for trial in asked if saved and trial.seed in saved.keys() - here.keys()}
    return CourseResult(row, dict(sorted((here | others).items())), missing, frozenset(others), failed)


def _scores_here(
    catalogue: Catalogue, row: CourseRow, asked: list[Trial], run: RunTrials
) -> tuple[dict[int, TrialScores], str, bool]:
    """Return the scores by seed in this store, why others are missing, and whether their runs failed."""
    pipeline = catalogue.pipeline(row.pipeline)
    if any(step.state == "no data" for step in plan.plan(catalogue, pipeline)):
        source: Any = pipeline.tables["source"]
        name = getattr(source, "name", None) or Path(getattr(source, "path", "")).name  # its folder is this machine's
        return {}, f"its data is not here ({f'{source.kind} {name}'.strip()}).", False
    try:
        scores = run(row.pipeline, asked)
    except GristmillError as error:  # the other rows are still shown
        return {}, f"failed: {error}", True
    here = {trial.seed: outcome for trial, outcome in zip(asked, scores, strict=True) if outcome}
    records = [Runs(catalogue.store).latest_trial(trial.pipeline) for trial in asked if trial.seed not in here]
    errors = [record.error for record in records if record and record.error]
    return here, f"failed: {errors[0]}" if errors else "" if here else "not run yet.", bool(errors)


def read_saved(root: Path) -> Mapping[str, Mapping[int, TrialScores]]:
    """Return saved scores by pipeline and seed, none without the file; raise `RequestError` if the file is invalid."""
    file = root / SAVED_FILE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return {
            name: {int(seed): _trial_scores(values) for seed, values in seeds.items()} for name, seeds in raw.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        problem = repr(error).splitlines()[0]
        raise RequestError(
            f"{file}: not scores of the course table ({problem}). Restore it, or remove it and run again."
        ) from None


def write_saved(results: Iterable[CourseResult], root: Path) -> None:
    """Save the scores that the table shows."""
    saved = {
        result.row.pipeline: {str(seed): _reduced(scores) for seed, scores in result.by_seed.items()}
        for result in results
        if result.by_seed
    }
    (root / SAVED_FILE).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(root / SAVED_FILE, json.dumps(saved, indent=1) + "\n")


def _trial_scores(values: dict[str, Any]) -> TrialScores:
    outcome = TrialScores(**values | {"scores": Scores.model_validate(values["scores"])})
    _reduced(outcome)  # raises an error if a value is missing
    return outcome


def _reduced(outcome: TrialScores) -> dict[str, Any]:
    """Return only the values that the table shows."""
    scores = outcome.scores
    return {
        "scores": {
            "headline": scores.headline.as_json(),
            "best_baseline": scores.best_baseline,
            "model": {"test": {scores.metric: scores.test}},
        },
        "seconds": round(outcome.seconds, 1),
        "parameters": outcome.parameters,
        "made": outcome.made,
        "versions": {library: outcome.versions[library] for library in ("keras", "tensorflow")},
    }


def mean_and_spread(scores: Sequence[float]) -> str:
    """Return the mean of scores, and their standard deviation if there are several."""
    spread = f" ± {format_number(statistics.stdev(scores), 2)}" if len(scores) > 1 else ""
    return f"{format_number(statistics.mean(scores))}{spread}"
