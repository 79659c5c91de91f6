"""The commands `run`, on one pipeline or several in parallel, `report` and `compare`."""

from typing import Annotated

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import Budget, Jobs, Json, Name, Refresh, RunId, Set, pipelines_argument
from gristmill.errors import RequestError, WorkError
from gristmill.project.project import Project
from gristmill.project.result import Result
from gristmill.runs.plan import Step, is_fresh
from gristmill.training import progress

_RUN = "ID of a run, or a version such as v3. By default, the last two runs with different models are used."


def run(
    names: Annotated[list[str], pipelines_argument("Names of pipelines in pipelines.toml.")],
    set_: Set = None,
    refresh: Refresh = None,
    jobs: Jobs = None,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Run all stages that are not up to date, and print the scores, report and bundle."""
    names = list(dict.fromkeys(names))
    project = Project.open(overrides={name: set_ or [] for name in names})
    results, errors = [], []
    if len(names) > 1 and project.runs_in_parallel(jobs):
        steps = {name: _plan(project, name, refresh, as_json, budget) for name in names}
        with progress_bar.working():
            ended = project.run_all(names, refresh, jobs, steps, budget)
        for name, result in ended.items():
            if isinstance(result, WorkError):
                errors.append(result)
                continue
            results.append(result)
            if not as_json and not is_fresh(steps[name]):
                output.show_name(name)
                _show(result)
    else:
        for name in names:
            plan = _plan(project, name, refresh, as_json, budget)
            with progress_bar.working():
                results.append(project.run(name, refresh, plan, jobs, budget))
            if not as_json and not is_fresh(plan):
                _show(results[-1])
    if as_json:
        documents = [result.record.model_dump(mode="json") | {"scores": result.evaluation} for result in results]
        output.show_json(documents[0] if len(names) == 1 else documents)
    if errors:
        raise WorkError("\n".join(map(str, errors)))


def _plan(project: Project, name: str, refresh: str | None, as_json: bool, budget: float | None) -> list[Step]:
    with progress_bar.working("data", "reading"):
        steps = project.plan(name, refresh, budget)
    if not as_json and (is_fresh(steps) or not console.is_quiet()):
        output.show_plan(name, steps)
    return steps


def _show(result: Result) -> None:
    output.show_scores(result.typed_scores, len(result.record.untried))
    output.show_report(result.report)
    output.show_bundle(result.bundle)


def report(
    name: Annotated[
        str | None,
        pipelines_argument("Name of a pipeline. By default, the page shows all pipelines.", "[NAME]"),
    ] = None,
    run: RunId = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Render the report of a run, or an overview of all pipelines, and print its path."""
    from gristmill.project.overview_page import write_index

    if run and not name:
        raise RequestError(f"report --run {run}: name its pipeline too: gristmill report NAME --run {run}.")
    with progress_bar.working("report"):
        project = Project.open()
        if name:
            record = project.record(name, run)
            progress.report_work("report")
        path = project.report(record) if name else write_index(project)
    typer.echo(path)
    if open_:
        typer.launch(str(path))


def compare(
    name: Name,
    first: Annotated[str | None, typer.Argument(metavar="RUN", help=_RUN)] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Run or version to compare the first one with.")
    ] = None,
    page: Annotated[bool, typer.Option("--page", help="Render an HTML page with the learning curves.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Render the page and open it in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Compare two runs: settings, data, scores and training side by side."""
    with progress_bar.working("runs", "reading"):
        found = Project.open().compare(name, first, second)
        document, path = found.document, found.page if page or open_ else None
    if as_json:
        output.show_json(document)
    else:
        output.show_sections(found.sections)
        if path:
            output.show_report(path)
    if open_:
        typer.launch(str(path))
