"""What the names of folders tell: the class of the files in them, and above that their part."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from gristmill.sources.parts import PARTS


def classes_in(files: Iterable[Path]) -> list[str]:
    """Return the names of the folders that hold the files, sorted."""
    return sorted({path.parent.name for path in files})


def parts_in(files: Iterable[Path]) -> list[str]:
    """Return the names of the parts above the classes, sorted; none where one is alone, or named otherwise."""
    names = {path.parent.parent.name for path in files}
    return sorted(names) if len(names) > 1 and all(_is_part(name) for name in names) else []


def why_no_classes(files: Iterable[Path]) -> str:
    """Return why the folders that hold files name no classes; empty where all do, at one depth, in parts or in none."""
    counts = Counter(path.parent for path in files)
    classes = {folder.name for folder in counts}
    if len(classes) < 2 or all(map(_is_part, classes)):
        return f"nothing names their classes: all are in {', '.join(map(repr, sorted(classes)))}"
    depths = Counter(len(folder.parts) for folder in counts)
    usual = max(depths, key=lambda depth: (depths[depth], depth))
    above = {folder.parent.name for folder in counts}
    for folder, count in sorted(counts.items()):
        if len(folder.parts) != usual:
            return f"{count:,} of them in {str(folder)!r}, at another depth than the classes"
        if _is_part(folder.name):
            return f"{str(folder)!r}, of {count:,}, is named like a part and lies among the classes"
        if any(map(_is_part, above)) and not _is_part(folder.parent.name):
            return f"{str(folder)!r}, of {count:,}, is in no part, as others are"
    return ""


def _is_part(name: str) -> bool:
    return name.lower() in PARTS
