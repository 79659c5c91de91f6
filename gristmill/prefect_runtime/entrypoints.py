"""Flows under names that Prefect can import, as in `gristmill.prefect_runtime.entrypoints.timeseries`.

Flows are imported by name, because this package must not import packages above it.
"""

import logging
from importlib import import_module
from typing import Any

from gristmill.util.gc_freeze import gc_frozen
from gristmill.util.processes import end_with_parent


def load_flow(name: str) -> Any:
    """Return the flow `name` of the module `gristmill.flows.<name>`."""
    with gc_frozen():
        return getattr(import_module(f"gristmill.flows.{name}"), name)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    logger = logging.getLogger("gristmill")
    if not logger.level:
        logger.setLevel(logging.INFO)  # Prefect's page shows only what passes this level
    end_with_parent()
    from gristmill.prefect_runtime.deployed_runs import with_end_hooks  # late: it loads Prefect

    return with_end_hooks(load_flow(name))
