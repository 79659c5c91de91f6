"""The command `run`: pipelines brought up to date, one after the other or side by side."""

from typing import Annotated, Any

import typer

from gristmill.cli import output, progress_bar
from gristmill.cli.options import Jobs, Json, Refresh, Set, pipelines_like
from gristmill.errors import WorkError
from gristmill.project.project import Project
from gristmill.project.result import Result
from gristmill.runs.plan import Step, is_fresh


def run(
    names: Annotated[list[str], typer.Argument(help="Pipelines.", autocompletion=pipelines_like)],
    set_: Set = None,
    refresh: Refresh = None,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Bring pipelines up to date: do what the plan says, print scores, report and bundle."""
    names = list(dict.fromkeys(names))
    project = Project.open(overrides={name: set_ or [] for name in names})
    if len(names) > 1 and project.is_wide(jobs):
        found, failed = _side_by_side(project, names, refresh, jobs, as_json)
    else:
        found, failed = [_one(project, name, refresh, jobs, as_json) for name in names], []
    if as_json:
        documents = [_document(result) for result in found]
        output.show_json(documents[0] if len(names) == 1 else documents)
    if failed:
        raise WorkError("\n".join(map(str, failed)))


def _one(project: Project, name: str, refresh: str | None, jobs: int | None, as_json: bool) -> Result:
    steps = _planned(project, name, refresh, as_json)
    with progress_bar.working():
        result = project.run(name, refresh, steps, jobs)
    if not as_json:
        _show(result, steps)
    return result


def _side_by_side(
    project: Project, names: list[str], refresh: str | None, jobs: int | None, as_json: bool
) -> tuple[list[Result], list[WorkError]]:
    steps = {name: _planned(project, name, refresh, as_json) for name in names}
    with progress_bar.working():
        ended = project.run_all(names, refresh, jobs, steps)
    found = {name: result for name, result in ended.items() if isinstance(result, Result)}
    for name in () if as_json else found:
        if not is_fresh(steps[name]):
            output.show_name(name)
        _show(found[name], steps[name])
    return list(found.values()), [error for error in ended.values() if isinstance(error, WorkError)]


def _planned(project: Project, name: str, refresh: str | None, as_json: bool) -> list[Step]:
    with progress_bar.working("data", "reading"):
        steps = project.plan(name, refresh)
    if not as_json and (is_fresh(steps) or not output.is_quiet()):
        output.show_plan(name, steps)
    return steps


def _show(result: Result, steps: list[Step]) -> None:
    if not is_fresh(steps):
        output.show_scores(result.typed_scores)
        output.show_places(result.report, result.bundle)


def _document(result: Result) -> dict[str, Any]:
    return result.record.model_dump(mode="json") | {"scores": result.evaluation}
