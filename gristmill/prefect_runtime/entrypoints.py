"""The flows under names that Prefect can import anywhere: `gristmill.prefect_runtime.entrypoints.timeseries`.

A worker works in the project's folder, first of all that Python searches. Where that folder has a package `flows` of
its own, `flows.timeseries` would be sought in it; `gristmill` is ours alone.
"""

import importlib
import logging
import sys
from types import ModuleType
from typing import Any

from gristmill.errors import WorkError
from gristmill.store.code_closure import PACKAGE
from gristmill.util.gc_freeze import gc_frozen
from gristmill.util.processes import end_with_parent


def import_own(module: str) -> ModuleType:
    """Import one of our modules, even where the user's folder has packages of the same names."""
    root = str(PACKAGE.parent)
    sys.path.insert(0, root)
    try:
        with gc_frozen():
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise WorkError(
            f"another package named {module.partition('.')[0]!r} is loaded in this process already."
        ) from None
    finally:
        sys.path.remove(root)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    for logger in map(logging.getLogger, ("gristmill", "tasks")):
        if (
            not logger.level
        ):  # Prefect takes our lines to its page, but only from the level on that they are let through
            logger.setLevel(logging.INFO)
    end_with_parent()
    flow = getattr(import_own(f"flows.{name}"), name)
    return import_own("tasks.events").telling_its_end(flow)
