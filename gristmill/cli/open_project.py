"""The project of a command, loaded when the command works: completion and help do not need it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gristmill.util.gc_freeze import gc_frozen

if TYPE_CHECKING:
    from gristmill.project.project import Project


def open_project(overrides: Mapping[str, list[str]] | None = None) -> "Project":
    """Open the project around the current folder, as `Project.open` does."""
    with gc_frozen():
        from gristmill.project.project import Project
    return Project.open(overrides=overrides)
