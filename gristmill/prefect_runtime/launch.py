"""Launch flows from this process: check their requirements, then load Prefect, which takes a second."""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import Catalogue, load
from gristmill.config.stages import settings_of_stages, stages_of
from gristmill.prefect_runtime.entrypoints import load_flow
from gristmill.prefect_runtime.set_up import QUIET, api_lost, lost_callbacks, set_up_prefect
from gristmill.runs.identity import locate_inputs
from gristmill.runs.locations import Located, fetch_missing
from gristmill.training.keras_backend import import_keras
from gristmill.util import extras


@dataclass(frozen=True)
class Launch:
    """Flow run that this process requested."""

    catalogue: Catalogue
    requested: float  # monotonic time


launched: ContextVar[Launch | None] = ContextVar("launched", default=None)


def launch(
    catalogue: Catalogue, names: Iterable[str], flow: str, parameters: Mapping[str, Any], trains: bool = True
) -> Any:
    """Run a flow on pipelines and return its result.

    Args:
        catalogue: the project, with the settings of this call.
        names: the pipelines.
        flow: its name: a domain, `retrain` or `run_many`.
        parameters: parameters of the flow except the project. They include changed settings, because a worker reads
            `pipelines.toml` itself.
        trains: whether it trains in this process, which then imports TensorFlow while a server starts.

    Raises:
        GristmillError: the work failed.
    """
    begun = time.monotonic()
    # Report what is missing before Prefect is loaded.
    for name in names:
        check_requirements(catalogue, name)
    catalogue.store.check_writable()
    run, url = _load_flow(flow, trains)
    from httpx import TransportError

    from gristmill.prefect_runtime.api_errors import is_from_api, one_line_api_errors
    from gristmill.prefect_runtime.server import tag_runs, watch_api

    # Run the flow, and say if the API is lost meanwhile.
    token = launched.set(Launch(catalogue, begun))
    try:
        with one_line_api_errors(url), watch_api(url, api_lost) if lost_callbacks else nullcontext(), tag_runs(url):
            return run(project=str(catalogue.root), **parameters)
    except TransportError as error:
        if not is_from_api(error, url):
            raise
        raise api_lost(url, str(error)) from None
    finally:
        launched.reset(token)


def catalogue_of_flow(project: str | None, overrides: Mapping[str, Iterable[str]]) -> Catalogue:
    """Return the catalogue of the process that launches a flow if project and overrides match; otherwise load it."""
    request, root = launched.get(), Path(project) if project else None
    if request is None or request.catalogue.root != root:
        return load(root, overrides)
    for name, assignments in overrides.items():
        if request.catalogue.pipeline(name).overrides != (*assignments,):
            return load(root, overrides)
    return request.catalogue


def check_requirements(catalogue: Catalogue, name: str) -> None:
    """Fetch the data of a pipeline that is at a URL, and raise an error if data or an optional library is missing."""
    pipeline = catalogue.pipeline(name)
    tables = settings_of_stages(stages_of(pipeline.domain, pipeline.tables))
    fetch_missing(tables, catalogue.root)
    locate_data(catalogue, name)  # reports missing data of later stages before the first stage runs
    extras.check_installed(tables)


def _load_flow(name: str, trains: bool) -> tuple[Any, str]:
    """Return a flow and the address of its API.

    TensorFlow is imported while a server starts. With a running server, the first stage that needs it imports it, so
    that problems with the data appear two seconds sooner.
    """
    from gristmill.prefect_runtime.server import named_api, start_api  # late: it loads Prefect

    set_up_prefect()
    wait_for_api = start_api(show_log=os.environ["PREFECT_LOGGING_LEVEL"] != QUIET)
    flow = load_flow(name)
    if trains and not named_api():
        import_keras()
    return flow, wait_for_api()


def locate_data(catalogue: Catalogue, name: str) -> dict[str, Located]:
    """Return the data files of a pipeline by setting; raise `DataError` if some are missing."""
    pipeline = catalogue.pipeline(name)
    data: dict[str, Located] = {}
    for stage in stages_of(pipeline.domain, pipeline.tables):
        data |= locate_inputs(catalogue, pipeline, stage)
    return data
