"""Flows with names that Prefect can import in any folder, as in `gristmill.prefect_runtime.entrypoints.timeseries`.

A worker works in the project's folder, which Python searches first. If that folder has a package `flows` of its own,
`gristmill.flows.timeseries` would not be found; the name `gristmill` is unique.
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
    """Import a module of gristmill even if the user's folder has a package of the same name."""
    root = str(PACKAGE.parent)
    sys.path.insert(0, root)
    try:
        with gc_frozen():
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise WorkError(
            f"another package named {module.partition('.')[0]!r} is already loaded in this process."
        ) from None
    finally:
        sys.path.remove(root)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    for logger in map(logging.getLogger, ("gristmill", "tasks")):
        if not logger.level:
            logger.setLevel(logging.INFO)  # Prefect's page shows only what passes this level
    end_with_parent()
    return import_own("gristmill.tasks.deployed_runs").with_end_hooks(
        getattr(import_own(f"gristmill.flows.{name}"), name)
    )
