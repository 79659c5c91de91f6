"""gristmill: raw data in, trained, tested, exported TensorFlow models out; cached, and never stale."""

from typing import TYPE_CHECKING, Any

from gristmill.util import process_start  # noqa: F401 (notes the time before other modules load)

if TYPE_CHECKING:
    from gristmill.project.project import Project

__all__ = ["Project"]


def __getattr__(name: str) -> Any:
    """Import `Project` on first use: every gristmill module imports this package, and few need the class."""
    if name != "Project":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gristmill.project.project import Project

    return Project
