"""The commands that use a pipeline's model: `predict`, `generate`, `serve`, `export`, `monitor`, `truth`."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import ByVersion, Json, Name, open_project, pipelines_argument
from gristmill.errors import RequestError
from gristmill.project.prediction_formats import Format, encode, save_pictures
from gristmill.util.files import write_atomically

if TYPE_CHECKING:
    from gristmill.model_server.champions import Champions


_MAX_GROUPS = 7  # of each kind, on the terminal
_SHRINK = [("", 24), ("coverage", 0)]  # for a narrow terminal


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
        bool, typer.Option("--explain", help="Say why: add what each column contributes, or where in a photo.")
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
        if explain and form is Format.CSV:
            frame = save_pictures(frame, out.with_suffix(""))
        write_atomically(out, encode(frame, form))


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


def serve(
    names: Annotated[list[str], pipelines_argument("Names of pipelines.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on. The default accepts connections from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 means any free port.")] = 8501,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Host name by which clients call the server.")
    ] = None,
    max_mb: Annotated[
        int, typer.Option(min=1, max=1024, metavar="N", help="Maximum size of a request body, in MiB.")
    ] = 32,
    timeout: Annotated[
        float,
        typer.Option(min=0.1, max=86_400, metavar="SECONDS", help="Seconds before a request fails with status 504."),
    ] = 60.0,
) -> None:
    """Start an HTTP server for the champions of one or more pipelines.

    Press Ctrl-C to stop it. It follows promotions and rollbacks within seconds. If no version is promoted yet, the
    model of the last successful run is used.
    """
    project = open_project()
    with progress_bar.working("bundle", "reading"):
        for name in names:
            project.served(name)  # before the server starts: each has a model
        from gristmill.model_server.responses import Limits
        from gristmill.model_server.server import serve

    limits = Limits(max_mb << 20, timeout)
    serve(project, list(dict.fromkeys(names)), host, port, limits, _show_addresses, allow_host or ())


def _show_addresses(address: str, champions: "Champions") -> None:
    width = max(map(len, [*champions.pipelines, "docs"]))
    for model in champions.loaded:
        console.write(f"{model.pipeline:<{width}}  {model.name}  {address}/predict/{model.pipeline}")
    console.write(f"{'docs':<{width}}  {address}/docs (Ctrl-C stops the server)")


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


def monitor(name: Name, as_json: Json = False) -> None:
    """Show the error, coverage and drift of the logged predictions, by day, version and slice."""
    with progress_bar.working("log", "reading"):
        from gristmill.project.monitoring import monitor
        from gristmill.reports.monitoring import score_table, write_monitoring

        project = open_project()
        monitoring = monitor(project, name)
    if as_json:
        output.show_json(monitoring.as_json())
        return
    typer.echo(monitoring.headline)
    output.show_table(score_table(monitoring, _MAX_GROUPS), _SHRINK)
    for alarm in monitoring.drift.alarms or ["none"]:
        console.write(f"alarm   {alarm}")
    description = project.catalogue.pipeline(name).description
    output.show_report(write_monitoring(monitoring, description, project.store))


def truth(
    name: Name,
    file: Annotated[
        Path,
        typer.Option("--file", metavar="FILE", help="A .csv, .jsonl or .parquet file with the IDs and the target."),
    ],
) -> None:
    """Add the true values for predicted rows, texts or photos, which are identified by their IDs."""
    with progress_bar.working("log", "reading"):
        count = open_project().add_truth(name, file)
    typer.echo(f"{name}: the truth of {count:,} predicted rows was added")
