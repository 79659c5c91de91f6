"""gristmill: raw data in, trained, tested, exported TensorFlow models out; cached, and never stale."""

from typing import TYPE_CHECKING, Any

from gristmill.util import process_start  # noqa: F401 (takes the time before any other module is loaded)

if TYPE_CHECKING:
    from gristmill.project.project import Project

__all__ = ["Project"]


def __getattr__(name: str) -> Any:
    """Import `Project` when it is asked for: every module passes through here, and few of them need it."""
    if name != "Project":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gristmill.project.project import Project

    return Project
