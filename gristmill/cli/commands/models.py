"""The commands on a pipeline's models: which there are, which one serves, what it predicts or writes."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gristmill.cli import output as screen
from gristmill.cli import progress_bar
from gristmill.cli.options import ByVersion, Json, Name, number_of
from gristmill.errors import RequestError
from gristmill.project.project import Project
from gristmill.registry.promotions import Promotion


def models(name: Name, as_json: Json = False) -> None:
    """List the versions of a pipeline's model, newest first: scores, commit, why; the champion; what is damaged."""
    with progress_bar.working("bundles", "reading"):
        project = Project.open()
        versions, promotions = project.models(name)
        champion, damaged = project.champion(name), project.damaged(name)
    if as_json:
        kept = [version.model_dump(mode="json") | {"bundle": project.folder_of(version)} for version in versions]
        moves = [promotion.model_dump(mode="json") for promotion in promotions]
        screen.show_json({"champion": champion, "versions": kept, "promotions": moves, "damaged": damaged})
    elif versions:
        screen.show_models(versions, champion, damaged)
        serving = next((version for version in versions if version.number == champion), None)
        if serving and (folder := project.folder_of(serving)):
            screen.show_bundle(folder, champion)
    else:
        typer.echo(f"{name}: no version yet. Have the last run's model be one and serve: gristmill promote {name}")


def promote(
    name: Name,
    version: Annotated[
        int | None,
        typer.Argument(
            metavar="[VERSION]",
            parser=number_of,
            help="A version; if not given, the model of a run becomes a new version.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            help="A run's ID, also with --set; the last successful run of the pipeline's own settings if not given."
        ),
    ] = None,
) -> None:
    """Have a version serve: make it the champion."""
    with progress_bar.working("bundle", "reading"):
        project = Project.open()
        promotion = project.promote(name, version, run)
        lost = project.version(name, promotion.version).loses_to_baseline
    _tell(promotion)
    if lost:
        screen.say(f"warning: v{promotion.version} {lost}")


def rollback(name: Name) -> None:
    """Have the version that served before the champion serve."""
    with progress_bar.working("bundle", "reading"):
        promotion = Project.open().rollback(name)
    _tell(promotion)


def predict(
    name: Name,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE|FOLDER", help="Like the pipeline's source; that source itself if not given."
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="One text to classify, instead of a file.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write to this .csv, .parquet or .json; printed if not given.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Values to forecast; the model's horizon if not given.")
    ] = None,
    history: Annotated[
        int | None, typer.Option(min=1, help="Values to show a model that takes any number; as trained if not given.")
    ] = None,
    version: ByVersion = None,
) -> None:
    """Predict with the champion; without one, with the last successful run of the pipeline's own settings."""
    writer = _writer(output)
    with progress_bar.working("bundle", "reading"):
        frame = Project.open().predict(name, input_, version, text=text, steps=steps, history=history)
    writer(frame)


def generate(
    name: Name,
    prompt: Annotated[str, typer.Option(help="The text to go on from.")] = "",
    length: Annotated[int, typer.Option(help="Tokens to write.")] = 400,
    temperature: Annotated[
        float, typer.Option(help="Below 1 the likely is taken more often; 0 takes the likeliest alone.")
    ] = 0.8,
    top_k: Annotated[int, typer.Option(help="Draw from so many of the likeliest tokens; 0 for all.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Draw from the likeliest tokens that have this probability together; 1 for all.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same writes the same.")] = 42,
    version: ByVersion = None,
) -> None:
    """Generate text with the model that `predict` would use; print it as it is generated."""
    options = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    with progress_bar.working("bundle", "reading"):
        pieces = Project.open().generate(name, prompt, version, **options)
        first = [*itertools.islice(pieces, 1)]  # for which the model is loaded
    screen.show_text(itertools.chain(first, pieces))


def _tell(promotion: Promotion) -> None:
    before = f" (before: v{promotion.previous})" if promotion.previous else ""
    typer.echo(f"{promotion.pipeline}: v{promotion.version} is the champion{before}")


def _writer(output: Path | None) -> Callable[[Any], None]:
    """Return what writes a frame to a file of a known kind, or prints it."""
    if output is None:
        return screen.show_frame
    writers: dict[str, Callable[[Any], None]] = {
        ".csv": lambda frame: frame.to_csv(output, index=False),
        ".parquet": lambda frame: frame.to_parquet(output, index=False),
        ".json": lambda frame: frame.to_json(output, orient="records", date_format="iso", indent=2),
    }
    if output.suffix not in writers:
        raise RequestError(f"--output {output}: unknown kind of file. Known: {', '.join(writers)}.")
    if not output.absolute().parent.is_dir():
        raise RequestError(f"--output {output}: no folder {output.absolute().parent}. Make it first.")
    return writers[output.suffix]
