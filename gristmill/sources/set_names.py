"""Names that sources use for the training, validation and test set."""

from pathlib import Path

from gristmill.errors import DataError, short_repr

PARTS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}
"""Name of a part by each accepted spelling, in lower case."""


def part_of_cell(cell: str, where: str, column: str) -> str:
    """Return the part that a cell names; raise `DataError` if it names none."""
    if cell.lower() not in PARTS:
        raise DataError(f"{where}, column {column!r}: {short_repr(cell)}. Expected one of {', '.join(PARTS)}.")
    return PARTS[cell.lower()]


def part_of_folder(path: Path) -> str:
    """Return the part that the folder above a file's class names; raise `DataError` if it names none."""
    name = path.parent.parent.name
    if name.lower() not in PARTS:
        raise DataError(
            f"{path}: the folder above its class is {name!r}. Expected {', '.join(PARTS)}: rename it, or leave out "
            "the source's parts."
        )
    return PARTS[name.lower()]
