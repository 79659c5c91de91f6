"""The command `course`: every network of the course, ours beside its own."""

from collections.abc import Iterator
from typing import Annotated

import typer

from gristmill.cli import progress_bar
from gristmill.cli.options import Jobs, pipelines_like
from gristmill.course import rows as syllabus
from gristmill.course import saved_scores
from gristmill.course.page import write_markdown, write_page
from gristmill.course.rows import CourseResult, CourseRow
from gristmill.errors import RequestError
from gristmill.project.project import Project
from gristmill.reports.run import report_path
from gristmill.settings.messages import format_number, unknown_name
from gristmill.sweeps import trials as sweeps
from gristmill.sweeps.leaderboard import TrialScores
from gristmill.sweeps.trials import Trial


def course(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Pipelines to run; every one of the course if none.", autocompletion=pipelines_like),
    ] = None,
    cached: Annotated[bool, typer.Option("--cached", help="Run nothing: show what was run before.")] = False,
    jobs: Jobs = None,
) -> None:
    """Run the course's networks that were not run before, for hours at first; write docs/course.md and a page."""
    project = Project.open()
    rows = syllabus.rows(project.catalogue.root)
    known = {row.pipeline for row in rows}
    for name in set(names or []) - known:
        raise RequestError(f"course: {unknown_name('pipeline', name, known)}")
    running = set() if cached else set(names or known)
    root = project.catalogue.root
    with progress_bar.working("course", "reading"):
        results = list(_results(project, rows, running, jobs, saved_scores.read(root)))
    for result in results:
        typer.echo(f"course {result.row.course}  {result.row.pipeline:20}  {_told(result)}")
    if any(result.outcomes for result in results):  # with none it would be a table of dashes in place of one of figures
        saved_scores.write(results, root)
        typer.echo(f"table   {write_markdown(results, root)}")
    typer.echo(f"page    {write_page(results, project.store)}")
    failed = any(result.failed for result in results if result.row.pipeline in running)
    raise typer.Exit(1 if failed else 0)


def _results(
    project: Project, rows: list[CourseRow], running: set[str], jobs: int | None, earlier: saved_scores.Outcomes
) -> Iterator[CourseResult]:
    """Yield what became of each row; those of `running` are run where they were not, the others shown."""

    def tried(name: str, trials: list[Trial]) -> list[TrialScores | None]:
        if name in running:
            return project.tried(name, trials, jobs)
        return [sweeps.outcome(project.catalogue, trial.pipeline) for trial in trials]

    for row in rows:
        yield syllabus.result(project.catalogue, row, tried, earlier.get(row.pipeline))
        if row.pipeline in running:
            _draw_report(project, row.pipeline)


def _draw_report(project: Project, name: str) -> None:
    """Render the report on a row's first seed, which the page links, where the pipeline has none yet."""
    first, *_ = sweeps.by_seed(project.catalogue, name, 1)
    record = project.runs.latest_trial(first.pipeline)
    if record and record.outcome == "succeeded" and not report_path(project.store, name, trial=True).exists():
        project.report(record)


def _told(result: CourseResult) -> str:
    if not result.outcomes:
        return result.missing
    first = result.outcomes[0]
    code = f", the course's code {syllabus.means(result.row.code.scores)}" if result.row.code else ""
    baseline = format_number(first.scores.headline.baseline)
    figures = f"{first.metric} {syllabus.means(result.tests)} (baseline {baseline}{code})"
    if not result.kept:
        return figures
    which = ", ".join(map(str, sorted(result.kept)))
    now = f". Now: {result.missing}" if result.missing else ""
    return f"{figures}; seed {which} of an earlier run ({saved_scores.FILE}){now}"
