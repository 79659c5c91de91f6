"""The course's networks, row by row: what it published, what its own code gives on our split, and what ours give.

The rows are in `data/course.toml` of the project, and name pipelines. A row of ours is a sweep of its pipeline over
seeds, so it is shown from the cache where it was run before.
"""

import statistics
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveInt, ValidationError

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.errors import GristmillError, RequestError
from gristmill.runs import plan
from gristmill.runs.records import Runs
from gristmill.settings import messages
from gristmill.settings.base import Settings
from gristmill.settings.messages import problem_lines
from gristmill.sweeps import trials as sweeps
from gristmill.sweeps.leaderboard import TrialScores
from gristmill.sweeps.trials import Trial

FILE = "data/course.toml"


class Code(Settings):
    """The course's own code on our split."""

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
    published: str  # figures, in the course's own words
    split: str  # what they were measured on
    seeds: PositiveInt = 3
    code: Code | None = None  # where it was run
    note: str = ""  # why ours is worse, where it is


@dataclass(frozen=True)
class CourseResult:
    """A row with what became of it here."""

    row: CourseRow
    by_seed: Mapping[int, TrialScores]  # of the seeds that have one
    missing: str = ""  # why seeds have none here
    kept: frozenset[int] = frozenset()  # seeds whose outcome is of an earlier run, maybe on another machine
    failed: bool = False  # whether seeds have none because their runs failed

    @property
    def outcomes(self) -> list[TrialScores]:
        return list(self.by_seed.values())

    @property
    def tests(self) -> list[float]:
        """The test scores by seed."""
        return [outcome.test for outcome in self.outcomes if outcome.test is not None]

    @property
    def is_worse(self) -> bool:
        """Whether the mean of the seeds is worse than that of the course's own code on the same split."""
        if not self.tests or self.row.code is None:
            return False
        ours, code = statistics.mean(self.tests), statistics.mean(self.row.code.scores)
        return ours < code if self.outcomes[0].scores.higher_is_better else ours > code


def rows(root: Path) -> list[CourseRow]:
    """Return the rows of a project's `data/course.toml`.

    Raises:
        RequestError: there is no such file, or it does not hold; one line for each mistake.
    """
    file = root / FILE
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(
            f"{file}: cannot be read ({error.strerror}). The course's rows are of gristmill's own project."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{file}: not valid TOML: {error}.") from None
    found, problems = [], list[str]()
    for number, row in enumerate(raw.get("rows", []), 1):
        try:
            found.append(CourseRow.model_validate(row))
        except ValidationError as error:
            problems += [f"{FILE} row {number} {line}" for line in problem_lines(error, CourseRow)]
    if problems:
        raise RequestError("\n".join(problems))
    return found


def trials(catalogue: Catalogue) -> Iterator[Trial]:
    """Yield what the table shows, row by row; nothing in a project that has no `data/course.toml`."""
    if (catalogue.root / FILE).exists():
        for row in rows(catalogue.root):
            yield from sweeps.by_seed(catalogue, row.pipeline, row.seeds)


def result(
    catalogue: Catalogue,
    row: CourseRow,
    tried: Callable[[str, list[Trial]], list[TrialScores | None]],
    earlier: Mapping[int, TrialScores] | None = None,
) -> CourseResult:
    """Return what became of a row.

    Args:
        catalogue: the project's.
        row: the row.
        tried: gives what trials of a pipeline came to, None for one that came to nothing.
        earlier: outcomes by seed that stand for those that are missing here (`kept.py`).
    """
    asked = sweeps.by_seed(catalogue, row.pipeline, row.seeds)
    made, missing, failed = _made(catalogue, row, asked, tried)
    stand_ins = {trial.seed: (earlier or {})[trial.seed] for trial in asked if trial.seed in (earlier or {})}
    found = stand_ins | made
    return CourseResult(row, dict(sorted(found.items())), missing, frozenset(found) - frozenset(made), failed)


def _made(
    catalogue: Catalogue,
    row: CourseRow,
    asked: list[Trial],
    tried: Callable[[str, list[Trial]], list[TrialScores | None]],
) -> tuple[dict[int, TrialScores], str, bool]:
    """Return the outcomes by seed that are in this store, why there are none of others, and whether those failed."""
    pipeline = catalogue.pipeline(row.pipeline)
    if any(step.state == "no data" for step in plan.plan(catalogue, pipeline)):
        return {}, f"no data here ({_source(pipeline)}); it runs where there is.", False
    try:
        found = tried(row.pipeline, asked)
    except GristmillError as error:  # of this row alone: the others are shown all the same
        return {}, f"failed: {error}", True
    made = {trial.seed: outcome for trial, outcome in zip(asked, found, strict=True) if outcome}
    without = [trial for trial in asked if trial.seed not in made]
    records = [Runs(catalogue.store).latest_trial(trial.pipeline) for trial in without]
    errors = [record.error for record in records if record and record.error]
    return made, f"failed: {errors[0]}" if errors else "" if made else "not run yet.", bool(errors)


def _source(pipeline: Pipeline) -> str:
    """Return a pipeline's source as its table names it: where it was sought is of one machine."""
    source: Any = pipeline.tables["source"]
    return f"{source.kind} {getattr(source, 'name', None) or Path(getattr(source, 'path', '')).name}".strip()


def means(values: Iterable[float]) -> str:
    """Return the mean of some scores, and their standard deviation where there are several."""
    found = list(values)
    spread = f" ± {messages.format_number(statistics.stdev(found), 2)}" if len(found) > 1 else ""
    return f"{messages.format_number(statistics.mean(found))}{spread}"
