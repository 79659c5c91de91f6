"""Flows launched from this process: what they need is looked at first, then Prefect is loaded, which takes a second."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from gristmill import domains, extras, plan
from gristmill.backend import import_keras
from gristmill.config import Catalogue
from gristmill.entrypoints import import_own
from gristmill.errors import WorkError
from gristmill.places import Located, provide
from gristmill.store import Store

QUIET = "CRITICAL"  # gristmill says itself what happened, in one line


def set_up_prefect(level: str = QUIET) -> None:
    """Say from which level on Prefect logs, before it is loaded; what the environment says already stays."""
    level = os.environ.setdefault("PREFECT_LOGGING_LEVEL", level)
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", QUIET if level == QUIET else "WARNING")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "gristmill,tasks")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")  # between two flows


def launch(catalogue: Catalogue, name: str, flow: str, parameters: Mapping[str, Any], trains: bool = True) -> Any:
    """Run a flow on a pipeline and return what it returns.

    Args:
        catalogue: the project's, with the settings that hold for this call.
        name: the pipeline.
        flow: its name: one of a domain, `retrain` or `sweep`.
        parameters: of the flow besides pipeline and project. Assignments among them: the flow, which may run elsewhere,
            reads the file itself.
        trains: whether it trains in this process, which then imports TensorFlow while Prefect's server starts.

    Raises:
        GristmillError: the work could not be done.
    """
    pipeline = catalogue.pipeline(name)
    provide(pipeline.tables.values(), catalogue.root)
    data_of(catalogue, name)  # what the last stage reads or writes with is missed before the first one runs
    extras.refuse_missing(pipeline.tables.values())
    Store(catalogue.store).check_writable()
    run = _ready(flow, import_keras if trains else lambda: None)
    from httpx import HTTPError

    try:
        return run(pipeline=name, project=str(catalogue.root), **parameters)
    except HTTPError as error:
        url = os.environ.get("PREFECT_API_URL", "")
        raise WorkError(
            f"Prefect's API {url} was lost in mid-run ({error}). Run again: it goes on from here."
        ) from None


def data_of(catalogue: Catalogue, name: str) -> dict[str, Located]:
    """Return where the data of a pipeline lies.

    Raises:
        DataError: it is not there.
    """
    pipeline = catalogue.pipeline(name)
    stages = domains.stages_of(pipeline.domain, pipeline.tables)
    found = (plan.located(catalogue, pipeline, stage) for stage in stages)
    return {place: path for by_place in found for place, path in by_place.items()}


def _ready(name: str, meanwhile: Callable[[], None]) -> Any:
    """Return a flow, with something done while Prefect's temporary server starts."""
    from gristmill.server import ensure_api  # late, with what it needs to start a server

    set_up_prefect()
    flow = getattr(import_own(f"flows.{name}"), name)
    ensure_api(show_log=os.environ["PREFECT_LOGGING_LEVEL"] != QUIET, meanwhile=meanwhile)
    return flow
