"""Commands `plan`, `run`, `sweep`, `report` and `compare`."""

from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import Budget, Jobs, Json, Name, Refresh, RunId, Set, open_project, pipelines_argument
from gristmill.errors import RequestError, WorkError
from gristmill.training import progress

if TYPE_CHECKING:
    from gristmill.project.project import Project
    from gristmill.project.result import Result
    from gristmill.runs.plan import Step

_RUN = "ID of a run, or a version such as v3. By default, the last two runs with different models are used."


def plan(name: Name, set_: Set = None, refresh: Refresh = None, as_json: Json = False) -> None:
    """Print what a run would do, stage by stage, and why."""
    with progress_bar.working("data", "reading"):
        steps = open_project(overrides={name: set_ or []}).plan(name, refresh)
    if as_json:
        output.show_json([{"stage": step.stage, "state": step.state, "reason": step.reason} for step in steps])
    else:
        output.show_plan(name, steps)


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
    project = open_project(overrides={name: set_ or [] for name in names})
    from gristmill.runs.plan import is_fresh  # the project has loaded it

    # Run the pipelines, in parallel or one after the other, and print each result.
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

    # Print all results as JSON, and the errors of parallel runs.
    if as_json:
        documents = [result.record.model_dump(mode="json") | {"scores": result.evaluation} for result in results]
        output.show_json(documents[0] if len(names) == 1 else documents)
    if errors:
        raise WorkError("\n".join(map(str, errors)))


def _plan(project: "Project", name: str, refresh: str | None, as_json: bool, budget: float | None) -> "list[Step]":
    from gristmill.runs.plan import is_fresh

    with progress_bar.working("data", "reading"):
        steps = project.plan(name, refresh, budget)
    if not as_json and (is_fresh(steps) or not console.is_quiet()):
        output.show_plan(name, steps)
    return steps


def _show(result: "Result") -> None:
    output.show_scores(result.typed_scores, len(result.record.untried))
    output.show_report(result.report)
    output.show_bundle(result.bundle)


def report(
    name: Annotated[
        str | None, pipelines_argument("Name of a pipeline. By default, the page shows all pipelines.", "[NAME]")
    ] = None,
    run: RunId = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Render the report of a run, or an overview of all pipelines, and print its path."""
    from gristmill.project.overview_page import write_index

    if run and not name:
        raise RequestError(f"report --run {run}: name its pipeline too: gristmill report NAME --run {run}.")
    with progress_bar.working("report"):
        project = open_project()
        if name:
            result = project.result(name, run)
            progress.report_work("report")
        path = result.report if name else write_index(project)
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
        comparison = open_project().compare(name, first, second)
        document, path = comparison.document, comparison.page if page or open_ else None
    if as_json:
        output.show_json(document)
    else:
        output.show_sections(comparison.sections)
        if path:
            output.show_report(path)
    if open_:
        typer.launch(str(path))


def sweep(name: Name, set_: Set = None, jobs: Jobs = None, as_json: Json = False) -> None:
    """Try the settings of a pipeline's sweep and rank them by their validation scores.

    The exit status is 1 if a trial failed.
    """
    project = open_project(overrides={name: set_ or []})
    with progress_bar.working("data", "reading"):
        result = project.sweep(name, jobs)
    if as_json:
        output.show_json(result.as_json())
    else:
        output.show_leaderboard(result)
    raise typer.Exit(0 if all(entry.is_complete for entry in result.entries) else 1)
