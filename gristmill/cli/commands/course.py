"""The command `course`: compare our score for every network of the course with the published score.

Its modules are imported late: no other command needs them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli import progress_bar
from gristmill.cli.options import Jobs, pipelines_argument
from gristmill.errors import RequestError
from gristmill.project.project import Project
from gristmill.settings.messages import format_number, unknown_name

if TYPE_CHECKING:
    from gristmill.course.rows import CourseResult, CourseRow
    from gristmill.sweeps.leaderboard import TrialScores
    from gristmill.sweeps.trials import Trial


def course(
    names: Annotated[list[str] | None, pipelines_argument("Pipelines to run; default: all.")] = None,
    cached: Annotated[bool, typer.Option("--cached", help="Show earlier scores without running anything.")] = False,
    jobs: Jobs = None,
) -> None:
    """Run the course's networks (hours the first time); write docs/course.md and an HTML page."""
    from gristmill.course import page, rows

    project = Project.open()
    root = project.catalogue.root
    every = rows.rows(root)
    known = {row.pipeline for row in every}
    for name in set(names or []) - known:
        raise RequestError(f"course: {unknown_name('pipeline', name, known)}")
    running = set() if cached else set(names or known)
    with progress_bar.working("course", "reading"):
        results = list(_results(project, every, running, jobs))
    for result in results:
        typer.echo(f"course {result.row.course}  {result.row.pipeline:20}  {_line(result)}")
    if any(result.outcomes for result in results):  # a table without scores must not replace one with scores
        rows.write_saved(results, root)
        typer.echo(f"table   {page.write_markdown(results, root)}")
    typer.echo(f"page    {page.write_page(results, project.store)}")
    raise typer.Exit(1 if any(result.failed for result in results if result.row.pipeline in running) else 0)


def _results(
    project: Project, every: "list[CourseRow]", running: set[str], jobs: int | None
) -> "Iterator[CourseResult]":
    """Yield the result of each row; only rows of the pipelines in `running` are run."""
    from gristmill.course import rows
    from gristmill.sweeps import trials

    saved = rows.read_saved(project.catalogue.root)

    def run(name: str, asked: "list[Trial]") -> "list[TrialScores | None]":
        if name in running:
            return project.run_trials(name, asked, jobs)
        return [trials.trial_scores(project.catalogue, trial.pipeline) for trial in asked]

    for row in every:
        yield rows.result(project.catalogue, row, run, saved.get(row.pipeline))
        if row.pipeline in running:
            _render_report(project, row.pipeline)


def _render_report(project: Project, name: str) -> None:
    """Render the report on a row's first seed, to which the page links, unless it exists."""
    from gristmill.reports.run import report_path
    from gristmill.sweeps import trials

    first, *_ = trials.seed_trials(project.catalogue, name, 1)
    record = project.runs.latest_trial(first.pipeline)
    if record and record.outcome == "succeeded" and not report_path(project.store, name, trial=True).exists():
        project.report(record)


def _line(result: "CourseResult") -> str:
    from gristmill.course.rows import SAVED_FILE, mean_and_spread

    if not result.outcomes:
        return result.missing
    first = result.outcomes[0]
    code = f", the course's code {mean_and_spread(result.row.code.scores)}" if result.row.code else ""
    baseline = format_number(first.scores.headline.baseline)
    line = f"{first.metric} {mean_and_spread(result.tests)} (baseline {baseline}{code})"
    if result.saved:
        seeds = ", ".join(map(str, sorted(result.saved)))
        line += f"; seed {seeds} of an earlier run ({SAVED_FILE})"
        line += f". Now: {result.missing}" if result.missing else ""
    return line
