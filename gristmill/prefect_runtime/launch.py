"""Flows launched from this process: what they need is looked at first, then Prefect is loaded, which takes a second."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from gristmill.config import stages as domains
from gristmill.config.catalogue import Catalogue
from gristmill.errors import WorkError
from gristmill.prefect_runtime.entrypoints import import_own
from gristmill.runs import plan
from gristmill.runs.locations import Located, fetch_missing
from gristmill.training.keras_backend import import_keras
from gristmill.util import extras
from gristmill.util.urls import strip_credentials

QUIET = "CRITICAL"  # gristmill says itself what happened, in one line

_ends: list[Callable[[WorkError], object]] = []


def set_up_prefect(level: str = QUIET) -> None:
    """Say from which level on Prefect logs, before it is loaded; what the environment says already stays."""
    level = os.environ.setdefault("PREFECT_LOGGING_LEVEL", level)
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", QUIET if level == QUIET else "WARNING")
    os.environ.setdefault("PREFECT_INTERNAL_LOGGING_LEVEL", QUIET if level == QUIET else "ERROR")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "gristmill,tasks")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")  # between two flows


def launch(
    catalogue: Catalogue, names: Iterable[str], flow: str, parameters: Mapping[str, Any], trains: bool = True
) -> Any:
    """Run a flow on pipelines and return what it returns.

    Args:
        catalogue: the project's, with the settings that hold for this call.
        names: the pipelines.
        flow: its name: one of a domain, `retrain`, `sweep` or `wide`.
        parameters: of the flow besides the project. Assignments among them: the flow, which may run elsewhere, reads
            the file itself.
        trains: whether it trains in this process, which then imports TensorFlow while Prefect's server starts.

    Raises:
        GristmillError: the work could not be done.
    """
    for name in names:
        tables = catalogue.pipeline(name).tables.values()
        fetch_missing(tables, catalogue.root)
        data_of(catalogue, name)  # what the last stage reads or writes with is missed before the first one runs
        extras.check_installed(tables)
    catalogue.store.check_writable()
    run, url = _ready(flow, import_keras if trains else lambda: None)
    from httpx import TransportError

    from gristmill.prefect_runtime.api_errors import concerns, refusals_told
    from gristmill.prefect_runtime.server import runs_watched_by, watched

    watch = watched(url, _lose) if _ends else nullcontext()
    try:
        with refusals_told(url), watch, runs_watched_by(url):
            return run(project=str(catalogue.root), **parameters)
    except TransportError as error:
        if not concerns(error, url):
            raise
        raise _lose(url, str(error)) from None


def on_loss(end: Callable[[WorkError], object]) -> None:
    """Have `end` called, in whatever thread, where Prefect's API falls silent in mid-run.

    It is for the command line, whose process is its own to end. Elsewhere Prefect's own patience holds, which goes on
    asking for many minutes: a minute each time, seven where a server hangs, and at the exit anew for each event that
    is left.
    """
    _ends.append(end)


def _lose(url: str, why: str) -> WorkError:
    """Return the error of an API that was lost, where nobody ends the process for it."""
    lost = WorkError(
        f"Prefect's API at {strip_credentials(url)} was lost in mid-run ({strip_credentials(why)}). "
        "Run again: it goes on from here."
    )
    for end in _ends:
        end(lost)
    return lost


def data_of(catalogue: Catalogue, name: str) -> dict[str, Located]:
    """Return where the data of a pipeline lies.

    Raises:
        DataError: it is not there.
    """
    pipeline = catalogue.pipeline(name)
    stages = domains.stages_of(pipeline.domain, pipeline.tables)
    found = (plan.locate_inputs(catalogue, pipeline, stage) for stage in stages)
    return {place: path for by_place in found for place, path in by_place.items()}


def _ready(name: str, meanwhile: Callable[[], None]) -> tuple[Any, str]:
    """Return a flow and its API's address, with something done while Prefect's temporary server starts."""
    from gristmill.prefect_runtime.server import starting_api  # late, with what it needs to start a server

    set_up_prefect()
    api = starting_api(show_log=os.environ["PREFECT_LOGGING_LEVEL"] != QUIET)
    flow = getattr(import_own(f"flows.{name}"), name)
    meanwhile()
    return flow, api()
