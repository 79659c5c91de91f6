"""Audit events (PEP 578) about what a result depends on, besides those that Python raises itself for files and folders.

`gristmill.cli.observation` hears them. Without it they cost next to nothing.
"""

import os
import sys

LOOKED_AT = "gristmill.looked_at"
DEPENDS_ON_MORE = "gristmill.depends_on_more"


def looked_at(path: str | os.PathLike[str]) -> None:
    """Report that a result depends on the stat of a file or folder, or on its absence, though it was not opened."""
    sys.audit(LOOKED_AT, path)


def depends_on_more() -> None:
    """Report that a result depends on something that has no stat, such as the time."""
    sys.audit(DEPENDS_ON_MORE)
