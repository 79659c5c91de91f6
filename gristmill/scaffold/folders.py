"""Classes and parts named by folders."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import Guess
from gristmill.sources.parts import PARTS


def folder_guesses(data: Data, files: Iterable[Path]) -> list[Guess]:
    """Return the source of files in a folder for each class, below folders of the parts if there are several."""
    guesses = data.source_guesses("folder", "a folder for each class")
    names = {path.parent.parent.name for path in files}
    if len(names) > 1 and all(map(_is_part, names)):
        guesses.append(Guess("parts", True, f"the folders above are named {', '.join(sorted(names))}"))
    return guesses


def why_no_classes(files: Iterable[Path]) -> str:
    """Return why the folders of files do not name classes; empty if all do, at one depth, in parts or without."""
    counts = Counter(path.parent for path in files)
    classes = {folder.name for folder in counts}
    if len(classes) < 2 or all(map(_is_part, classes)):
        return f"nothing names their classes: all are in {', '.join(map(repr, sorted(classes)))}"
    depths = Counter(len(folder.parts) for folder in counts)
    usual = max(depths, key=lambda depth: (depths[depth], depth))
    has_parts = any(_is_part(folder.parent.name) for folder in counts)
    for folder, count in sorted(counts.items()):
        if len(folder.parts) != usual:
            return f"{count:,} of them in {str(folder)!r}, at another depth than the classes"
        if _is_part(folder.name):
            return f"{str(folder)!r}, with {count:,}, is named like a part but is among the classes"
        if has_parts and not _is_part(folder.parent.name):
            return f"{str(folder)!r}, with {count:,}, is not in a part like the others"
    return ""


def _is_part(name: str) -> bool:
    return name.lower() in PARTS
