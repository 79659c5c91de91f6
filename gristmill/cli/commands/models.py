"""The commands on a pipeline's models: `models`, `promote`, `rollback`, `predict`, `generate`, `export`."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import ByVersion, Json, Name, RunId, number_of, open_project
from gristmill.errors import RequestError
from gristmill.project.prediction_formats import Format, encode
from gristmill.util.files import write_atomically

if TYPE_CHECKING:
    from gristmill.registry.promotions import Promotion


def models(name: Name, as_json: Json = False) -> None:
    """List the versions of a pipeline's model, newest first, with their scores, commits and reasons."""
    with progress_bar.working("bundles", "reading"):
        project = open_project()
        versions, promotions = project.models(name)
        champion, damaged = project.champion(name), project.damaged(name)
    if as_json:
        listed = [version.model_dump(mode="json") | {"bundle": project.folder_of(version)} for version in versions]
        moves = [promotion.model_dump(mode="json") for promotion in promotions]
        output.show_json({"champion": champion, "versions": listed, "promotions": moves, "damaged": damaged})
    elif versions:
        output.show_models(versions, champion, damaged)
        output.show_promotions(promotions[:1])
        serving = next((version for version in versions if version.number == champion), None)
        if serving and (folder := project.folder_of(serving)):
            output.show_bundle(folder, champion)
    else:
        typer.echo(f"{name}: no version yet. Promote the model of the last run: gristmill promote {name}")


def promote(
    name: Name,
    version: Annotated[
        int | None,
        typer.Argument(
            metavar="VERSION",
            parser=number_of,
            help="Number of a version. The default is a new version of a run's model or, with --hold, the champion.",
        ),
    ] = None,
    run: RunId = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep this version until the next promotion; retraining does not replace it.")
    ] = False,
) -> None:
    """Make a version the champion, the version that serves predictions."""
    with progress_bar.working("bundle", "reading"):
        project = open_project()
        before = project.hold(name)
        promotion = project.promote(name, version, run, hold=hold)
        comparison = project.version(name, promotion.version).loses_to_baseline
    _show(promotion)
    if before and before.number != promotion.number:
        typer.echo(f"released: v{before.version} was {before.hold_in_words}")
    if comparison:
        console.say(f"warning: v{promotion.version} {comparison}")


def rollback(name: Name) -> None:
    """Roll back to the version that served before the champion."""
    with progress_bar.working("bundle", "reading"):
        promotion = open_project().rollback(name)
    _show(promotion)


def predict(
    name: Name,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE|FOLDER",
            help="Data in the format of the pipeline's source, which is the default; for photos, a photo or a "
            "folder of photos. If a forecast uses known columns, the data must also contain the rows to forecast, with "
            "these columns filled and the target empty.",
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="One text to classify, instead of a file.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Output file. By default, the predictions are printed."),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Format of the predictions. By default, that of the output file, or a short CSV if printed.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of values to forecast. By default, the horizon.")
    ] = None,
    history: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of past values to use, if the model accepts any number. By default, as in training.",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add the contribution of each column to each prediction of a table.")
    ] = False,
    version: ByVersion = None,
) -> None:
    """Predict with the champion, or with the last successful run's model if no version was promoted.

    The output also contains all columns of the input file.
    """
    form = _check_format(out, form)
    with progress_bar.working("bundle", "reading"):
        options = {"steps": steps, "history": history, "explain": explain}
        frame = open_project().predict(name, input_, version, text=text, **options)
    if form is None:
        output.show_frame(frame)
    elif out is None:
        output.show_bytes(encode(frame, form))
    else:
        write_atomically(out, encode(frame, form))


def generate(
    name: Name,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="The text to continue.")] = "",
    length: Annotated[int, typer.Option(metavar="N", help="Number of tokens to generate.")] = 400,
    temperature: Annotated[
        float, typer.Option(metavar="X", help="Lower values prefer likely tokens; 0 always picks the most likely one.")
    ] = 0.8,
    top_k: Annotated[
        int, typer.Option(metavar="N", help="Sample from this number of most likely tokens; 0 means all.")
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(metavar="X", help="Sample from the most likely tokens with this total probability; 1 means all."),
    ] = 1.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed.")] = 42,
    version: ByVersion = None,
) -> None:
    """Generate text with the champion, or with the last successful run's model, and print it as it is generated."""
    options = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    with progress_bar.working("bundle", "reading"):
        pieces = open_project().generate(name, prompt, version, **options)
        first = [*itertools.islice(pieces, 1)]  # loads the model
    output.show_text(itertools.chain(first, pieces))


def export(
    name: Name,
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="Folder that TensorFlow Serving watches for this model.")
    ],
    version: ByVersion = None,
) -> None:
    """Copy the champion's SavedModel to FOLDER/NUMBER, the form that TensorFlow Serving loads.

    The number is that of the version. The folder appears when it is complete. If it already holds this model, it is not
    changed.
    """
    with progress_bar.working("bundle", "reading"):
        folder = open_project().export(name, to, version)
    typer.echo(f"{name}: v{folder.name} is in {folder}")


def _show(promotion: "Promotion") -> None:
    name, version = promotion.pipeline, promotion.version
    before = f" (before: v{promotion.previous})" if promotion.previous not in (None, version) else ""
    typer.echo(f"{name}: v{version} is the champion{before}")
    if promotion.held:
        typer.echo(f"held: retrainings do not replace it. To release it: gristmill promote {name} {version}")


def _check_format(path: Path | None, form: Format | None) -> Format | None:
    """Return the format of predictions, None for a short CSV, if they can be written to a file or printed."""
    if path is None and form is Format.PARQUET:
        raise RequestError("--format parquet: cannot be printed. Add --output FILE.")
    if path is None:
        return form
    suffix = path.suffix.removeprefix(".").lower()
    if form is None and suffix not in [*Format]:
        known = ", ".join(f".{known}" for known in Format)
        raise RequestError(f"--output {path}: unknown kind of file. Use one of {known}, or add --format.")
    if not path.absolute().parent.is_dir():
        raise RequestError(f"--output {path}: no folder {path.absolute().parent}. Create it first.")
    return form or Format(suffix)
