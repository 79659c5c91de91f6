"""gristmill: pipelines that turn raw data into trained, tested and exported TensorFlow models, with cached results."""

from typing import TYPE_CHECKING

from gristmill.util import process_start  # noqa: F401 (records the start time before other modules are loaded)

if TYPE_CHECKING:
    from typing import Any

    from gristmill.project.project import Project

__all__ = ["Project"]


def __getattr__(name: str) -> "Any":
    """Import `Project` on first use: few of the modules that import this package need it."""
    if name != "Project":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gristmill.project.project import Project

    return Project
