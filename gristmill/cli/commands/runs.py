"""The commands that show what there is: `ls`, `runs`, `show`."""

from typing import Annotated, Any

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import Json, Name, RunId, number_of, open_project
from gristmill.errors import RequestError


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


def runs(name: Name, as_json: Json = False) -> None:
    """List a pipeline's runs, newest first, with their scores."""
    from gristmill.runs.records import headline

    with progress_bar.working("runs", "reading"):
        project = open_project()
        project.catalogue.pipeline(name)
        project.runs.pull(name)
        rows = [(record, headline(record, project.store)) for record in project.runs.newest_first(name)]
    if as_json:
        scores = [score.as_json() if score else None for _, score in rows]
        documents = [record.model_dump(mode="json") for record, _ in rows]
        output.show_json([run | {"headline": score} for run, score in zip(documents, scores, strict=True)])
    else:
        output.show_runs(rows)


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
