"""Classes and parts named by folders."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import Guess
from gristmill.sources.parts import PARTS


def folder_guesses(data: Data, files: Iterable[Path], nested: bool = False) -> list[Guess]:
    """Return the source of files in a folder for each class, below folders of the parts if there are several.

    If `nested`, folders of classes may have subfolders, such as one for each person.
    """
    guesses, folders = data.source_guesses("folder", "a folder for each class"), {path.parent for path in files}
    if nested and (repeated := _repeated_folder(folders)):
        name, above = repeated
        why = f"{name!r} is in {above[0]!r} and {above[1]!r}, so these are the classes; a column for {name!r}"
        guesses.append(Guess("subfolders", "subfolder", why))
        folders = {folder.parent for folder in folders}
    names = {folder.parent.name for folder in folders}
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


def _repeated_folder(folders: Iterable[Path]) -> tuple[str, list[str]] | None:
    """Return a folder in several others, and their names; None if these others outnumber such folders, the classes."""
    above: dict[str, set[str]] = {}
    for folder in folders:
        if not _is_part(folder.parent.name):
            above.setdefault(folder.name, set()).add(folder.parent.name)
    name = max(sorted(above), key=lambda name: len(above[name]), default="")
    if not name or len(above[name]) < 2 or len(set().union(*above.values())) > len(above):
        return None
    return name, sorted(above[name])


def _is_part(name: str) -> bool:
    return name.lower() in PARTS
