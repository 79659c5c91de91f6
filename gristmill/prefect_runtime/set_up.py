"""Set up Prefect's log, and what happens when its API is lost, before Prefect is loaded."""

import os
from collections.abc import Callable

from gristmill.errors import WorkError
from gristmill.util.urls import strip_credentials

QUIET = "CRITICAL"  # Prefect's log level; gristmill reports errors itself, in one line

lost_callbacks: list[Callable[[WorkError], object]] = []


def set_up_prefect(level: str = QUIET) -> None:
    """Set Prefect's log level before it is loaded, unless the environment sets it."""
    level = os.environ.setdefault("PREFECT_LOGGING_LEVEL", level)
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", QUIET if level == QUIET else "WARNING")
    os.environ.setdefault("PREFECT_INTERNAL_LOGGING_LEVEL", QUIET if level == QUIET else "ERROR")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "gristmill")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")  # between two flows


def on_api_lost(callback: Callable[[WorkError], object]) -> None:
    """Register a function to call, in any thread, if Prefect's API stops answering during a run.

    The command line uses it to end its process. Without it Prefect keeps retrying: for a minute at each request, for
    seven if a server hangs, and at the exit again for each remaining event.
    """
    lost_callbacks.append(callback)


def api_lost(url: str, why: str) -> WorkError:
    """Call the callbacks, and return the error in case none of them ends the process."""
    error = WorkError(
        f"Prefect's API at {strip_credentials(url)} was lost during the run ({strip_credentials(why)}). "
        "Run again: it resumes."
    )
    for callback in lost_callbacks:
        callback(error)
    return error
