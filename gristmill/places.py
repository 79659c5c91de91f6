"""Where data lies: places in `pipelines.toml` resolved to files."""

import contextlib
import os
from pathlib import Path

from gristmill.errors import DataError

SEARCH_PATH = "GRISTMILL_DATA"


def locate(place: str, root: Path, asked_by: str) -> Path:
    """Return the file that `place` names.

    An absolute place is taken as it is. A relative one is sought below `root`, then below each folder of the
    environment variable `GRISTMILL_DATA`, which is written like `PATH`.

    Args:
        place: as written in `pipelines.toml`.
        root: the project's folder.
        asked_by: table and key that name the place, for the error.

    Raises:
        DataError: nothing is there, with every place that was tried.
    """
    given = Path(place)
    with contextlib.suppress(RuntimeError):  # the home of a user who is unknown: taken literally, and not found
        given = given.expanduser()
    folders = [Path(folder) for folder in os.environ.get(SEARCH_PATH, "").split(os.pathsep) if folder]
    tried = [given] if given.is_absolute() else [folder / given for folder in [root, *folders]]
    for candidate in tried:
        with contextlib.suppress(OSError):  # a name too long, a folder that may not be entered: not there
            if candidate.is_file():
                return candidate.absolute()
    raise DataError(
        f"{asked_by}: no such file '{place}'. Tried: {', '.join(map(str, tried))}. "
        f"Put it there, correct the path, or name its folder in {SEARCH_PATH}."
    )
