"""The commands that run, show and compare: `plan`, `run`, `sweep`, `report`, `compare`, `ls`, `history` and `show`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import (
    Accept,
    Budget,
    Jobs,
    Json,
    Name,
    Refresh,
    RunId,
    Set,
    number_of,
    open_project,
    pipelines_argument,
)
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
    accept: Accept = False,
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
            ended = project.run_all(names, refresh, jobs, steps, budget, accept)
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
                results.append(project.run(name, refresh, plan, jobs, budget, accept))
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


def ls(
    everything: Annotated[bool, typer.Option("--all", help="Also list pipelines whose data is missing.")] = False,
    as_json: Json = False,
) -> None:
    """List the pipelines with their state, score, best baseline and champion."""
    with progress_bar.working("data", "reading"):
        pipelines = list(open_project().status())
    if as_json:
        output.show_json([status.as_json() for status in pipelines])
    else:
        output.show_status(pipelines, everything)


def history(name: Name, as_json: Json = False) -> None:
    """List a pipeline's runs, newest first, with their scores, and why new data was set aside."""
    from gristmill.reports.retraining import write_retraining
    from gristmill.retraining.arrivals import unused_arrival
    from gristmill.runs.records import headline

    # Read the runs, and draw the newest retraining or the data that was set aside.
    with progress_bar.working("runs", "reading"):
        project = open_project()
        pipeline = project.catalogue.pipeline(name)
        project.runs.pull(name)
        project.registry.pull(name)  # rollbacks
        rows = [(record, headline(record, project.store)) for record in project.runs.newest_first(name)]
        unused = unused_arrival(pipeline, project.store)
        retrained = next((record for record, _ in rows if record.retraining), None)
        drawn = unused if unused and unused.set_aside else retrained
        page = write_retraining(drawn, pipeline.description, project.store) if drawn and not as_json else None

    # Print them.
    if as_json:
        scores = [score.as_json() if score else None for _, score in rows]
        documents = [record.model_dump(mode="json") for record, _ in rows]
        output.show_json([run | {"headline": score} for run, score in zip(documents, scores, strict=True)])
        return
    output.show_runs(rows)
    output.show_arrivals([record for record, _ in rows])
    if page:
        output.show_report(page)


def show(
    name: Name,
    run: RunId = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", parser=number_of, help="Show the run that created this version."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the scores and the lineage of a run, and the version and bundle created from it."""
    if run and version:
        raise RequestError(f"--run {run}: cannot be combined with --version {version}. Use one of them.")

    # Read the run and the versions that were made from it.
    with progress_bar.working("run", "reading"):
        project = open_project()
        result = project.result(name, project.version(name, version).run if version else run)
        record, logs = result.record, result.logs
        registered = project.versions_of(record)
        bundle = project.folder_of(registered[0]) if registered else None
        versions = [version.number for version in registered]
        promotions = [promotion for promotion in project.registry.promotions(name) if promotion.version in versions]
        scores = result.typed_scores if result.is_scored else None
    if scores is None and "evaluate" in record.references:
        console.say(f"the scores of run {record.id} were removed by gristmill gc")

    # Print them.
    if as_json:
        document: dict[str, Any] = {"run": record.model_dump(mode="json"), "logs": logs}
        document |= {"scores": result.evaluation if scores else None, "versions": versions, "bundle": bundle}
        document["promotions"] = [promotion.model_dump(mode="json") for promotion in promotions]
        document["quarantine"] = result.quarantine
        output.show_json(document)
        return
    output.show_record(record, scores, versions, promotions)
    if result.quarantine:
        console.write(f"unusable rows  {result.quarantine}")
    if bundle:
        output.show_bundle(bundle)
    for label, folder in logs.items():
        if label.split()[0] == "train":  # of the model, or of each candidate that is a network
            output.show_logs(folder)
