"""Where the command line prints.

Rich is imported late: a run with nothing to do shows no table.
"""

import os
import shutil
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 200  # characters of a line of a table that is read by a program


@cache
def out() -> "Console":
    """Return where results are printed."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)


def width() -> int | None:
    """Return how many characters a line of a table may have; None where no terminal shows it."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return None
    return shutil.get_terminal_size().columns


@cache
def err() -> "Console":
    """Return where it is told what happens meanwhile, and errors."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, soft_wrap=True, stderr=True)


def escape(text: str) -> str:
    """Return text as one that rich takes for no markup."""
    from rich.markup import escape

    return escape(text)
