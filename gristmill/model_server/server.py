"""Run the HTTP server of some pipelines in this process until it is interrupted."""

import errno
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import gettempdir

import uvicorn
from starlette.applications import Starlette

from gristmill.errors import GristmillError, RequestError, WorkError
from gristmill.model_server.answers import FOLDER_PREFIX
from gristmill.model_server.application import ModelServer
from gristmill.model_server.champions import Champions, RequestMetrics
from gristmill.model_server.responses import Limits
from gristmill.project.serving import Models
from gristmill.training.keras_backend import import_keras
from gristmill.util.files import remove_older

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SECONDS_OLD = 3600  # folders of requests that are older were left by a killed server
_KEEP_ALIVE_SECONDS = 75  # longer than the proxies in front of a server keep a connection


def serve(
    models: Models,
    pipelines: list[str],
    host: str,
    port: int,
    limits: Limits,
    ready: Callable[[str, Champions], None],
    allowed: Collection[str] = (),
) -> None:
    """Serve the champions of some pipelines until SIGINT or SIGTERM; requests that have begun are answered.

    The server listens at once, and loads the models meanwhile. `ready` is called with the server's address when all are
    loaded. Port 0 is any free port. `allowed` are further names by which clients may call the server.

    Raises:
        RequestError: the address cannot be used.
        GristmillError: a model cannot be loaded.
    """
    # Listen at once.
    metrics = RequestMetrics()
    champions = Champions(models, pipelines, metrics)
    listening = listen(host, port)
    address = f"http://{_name(host)}:{listening.getsockname()[1]}"
    is_local = _name(host) in _LOOPBACK
    hosts = frozenset({*_LOOPBACK, *(name.lower() for name in allowed)} if is_local or allowed else ())
    handlers = ModelServer(champions, metrics, limits, hosts)

    # Load the models meanwhile, in a thread that the server starts.
    failed: list[GristmillError | OSError] = []

    def load() -> None:
        try:
            import_keras()
            champions.load_all()
            champions.follow()
            ready(address, champions)
        except (GristmillError, OSError) as error:
            failed.append(error)
        finally:  # also after an error of the program, whose traceback is printed
            server.should_exit |= bool(failed or champions.missing)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=load, name="loading", daemon=True).start()
        yield
        champions.stop()

    # Serve until a signal, or until a model could not be loaded.
    handlers.warnings.install()
    remove_older(Path(gettempdir()).glob(f"{FOLDER_PREFIX}*"), max(_SECONDS_OLD, 2 * limits.seconds))
    config = uvicorn.Config(
        handlers.application(lifespan=lifespan),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(limits.seconds) + 1,
    )
    server = uvicorn.Server(config)
    interrupted = False
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn raises the signal that ended it once more
        interrupted = True

    # End with the error, if there is one.
    if failed:
        raise failed[0]
    if champions.missing and not interrupted:
        raise WorkError(f"the model of {champions.missing[0]} could not be loaded.")
    if handlers.is_busy:  # a thread cannot be stopped, and nobody waits for its answer any more
        sys.stdout.flush()
        os._exit(0)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; raise `RequestError` if it cannot be used."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio turns off Nagle's algorithm only if the socket names its protocol; it would cost 40 ms for each answer
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            problem = f"--port {port}: already in use at {host}. Use another port, or 0 for any free port."
            raise RequestError(problem) from None
        reason = getattr(error, "strerror", None) or error
        problem = f"--host {host} --port {port}: cannot be used ({reason}). Use another host or port."
        raise RequestError(problem) from None
    return listening


def _name(host: str) -> str:
    return f"[{host}]" if ":" in host else host
