"""gristmill: raw data in, trained, tested, exported TensorFlow models out; cached, and never stale."""

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gristmill.project import Project

__all__ = ["Project"]

STARTED_NS = time.time_ns()
"""When this process began to load gristmill's code: what is older on disk is what runs."""


def __getattr__(name: str) -> Any:
    """Import `Project` when it is asked for: every module passes through here, and few of them need it."""
    if name != "Project":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gristmill.project import Project

    return Project
