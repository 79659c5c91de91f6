"""The command `run`: bring pipelines up to date, one after another or in parallel."""

from typing import Annotated

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
    """Bring pipelines up to date: carry out the plan, print scores, report and bundle."""
    names = list(dict.fromkeys(names))
    project = Project.open(overrides={name: set_ or [] for name in names})
    results, errors = [], []
    if len(names) > 1 and project.runs_in_parallel(jobs):
        steps = {name: _plan(project, name, refresh, as_json) for name in names}
        with progress_bar.working():
            ended = project.run_all(names, refresh, jobs, steps)
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
            plan = _plan(project, name, refresh, as_json)
            with progress_bar.working():
                results.append(project.run(name, refresh, plan, jobs))
            if not as_json and not is_fresh(plan):
                _show(results[-1])
    if as_json:
        documents = [result.record.model_dump(mode="json") | {"scores": result.evaluation} for result in results]
        output.show_json(documents[0] if len(names) == 1 else documents)
    if errors:
        raise WorkError("\n".join(map(str, errors)))


def _plan(project: Project, name: str, refresh: str | None, as_json: bool) -> list[Step]:
    with progress_bar.working("data", "reading"):
        steps = project.plan(name, refresh)
    if not as_json and (is_fresh(steps) or not output.is_quiet()):
        output.show_plan(name, steps)
    return steps


def _show(result: Result) -> None:
    output.show_scores(result.typed_scores)
    output.show_report(result.report)
    output.show_bundle(result.bundle)
