"""The command that serves champions over HTTP: `serve`."""

from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli import console, progress_bar
from gristmill.cli.options import open_project, pipelines_argument

if TYPE_CHECKING:
    from gristmill.model_server.champions import Champions


def serve(
    names: Annotated[list[str], pipelines_argument("Names of pipelines.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on. The default accepts connections from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 means any free port.")] = 8501,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Host name by which clients call the server."),
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
    serve(project, list(dict.fromkeys(names)), host, port, limits, _show, allow_host or ())


def _show(address: str, champions: "Champions") -> None:
    width = max(map(len, [*champions.pipelines, "docs"]))
    for model in champions.loaded:
        console.write(f"{model.pipeline:<{width}}  {model.name}  {address}/predict/{model.pipeline}")
    console.write(f"{'docs':<{width}}  {address}/docs (Ctrl-C stops the server)")
