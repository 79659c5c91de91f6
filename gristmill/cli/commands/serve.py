"""The command that serves champions over HTTP: `serve`."""

from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli import console, progress_bar
from gristmill.cli.options import pipelines_argument
from gristmill.project.project import Project

if TYPE_CHECKING:
    from gristmill.model_server.champions import Champions


def serve(
    names: Annotated[list[str], pipelines_argument("Names of pipelines.", "NAME...")],
    host: Annotated[
        str, typer.Option(help="Address to listen on. By default, only this machine can connect.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 means any free port.")] = 8501,
    max_mb: Annotated[int, typer.Option(min=1, metavar="N", help="Maximum size of a request, in MiB.")] = 32,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Maximum duration of a request, in seconds.")
    ] = 60.0,
) -> None:
    """Serve champions over HTTP until you interrupt it.

    A promotion or rollback takes effect within seconds. Before the first promotion, the last successful run's model
    serves.
    """
    project = Project.open()
    with progress_bar.working("bundle", "reading"):
        for name in names:
            project.served(name)  # before the server starts: each has a model
        from gristmill.model_server.application import Limits
        from gristmill.model_server.server import serve

    serve(project, list(dict.fromkeys(names)), host, port, Limits(max_mb << 20, timeout), _show)


def _show(address: str, champions: "Champions") -> None:
    width = max(map(len, champions.pipelines))
    for name in champions.pipelines:
        if model := champions.get(name):
            console.write(f"{name:<{width}}  {model.name}  {address}/predict/{name}")
    console.write(f"{'docs':<{width}}  {address}/docs (Ctrl-C stops the server)")
