"""What the names of folders tell: the class of the files in them, and above that their part."""

from collections.abc import Iterable
from pathlib import Path

from gristmill.sources.parts import PARTS


def classes_in(files: Iterable[Path]) -> list[str]:
    """Return the names of the folders that hold the files, sorted."""
    return sorted({path.parent.name for path in files})


def parts_in(files: Iterable[Path]) -> list[str]:
    """Return the names of the parts above the classes, sorted; none where one is named otherwise."""
    names = {path.parent.parent.name for path in files}
    return sorted(names) if all(name.lower() in PARTS for name in names) else []
