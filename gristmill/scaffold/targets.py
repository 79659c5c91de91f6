"""Which column of a table is to be predicted, and what becomes of the others."""

import re
from collections.abc import Collection

from gristmill.errors import DataError, RequestError
from gristmill.scaffold.column import Column
from gristmill.scaffold.table import Table

_CLASSES = {"label", "class", "category", "target", "sentiment", "topic", "is"}  # words in the names of columns
_NAMED = 12  # columns that a note names


def refuse_target(named: str | None, instead: str) -> None:
    """Refuse that a column is asked for where there are none.

    Args:
        named: the column, if one was asked for.
        instead: what names the classes.

    Raises:
        RequestError: one was.
    """
    if named is not None:
        raise RequestError(f"--target {named}: there are no columns here, {instead}. Leave --target out.")


def target_of(table: Table, named: str | None, taken: Collection[str], first: bool) -> tuple[Column, str]:
    """Return the column of numbers to predict, and why it is that one.

    Args:
        table: the columns.
        named: the one that was asked for, if any was.
        taken: columns that have another role.
        first: whether the first column of numbers is guessed, or the last.

    Raises:
        DataError: the column asked for cannot be used, or there is no column of numbers.
    """
    if named is not None:
        return _asked_for(table, table.column(named), taken), "as asked for"
    usable = [
        column
        for column in table.columns.values()
        if column.numbers is not None and column.name not in taken and not column.useless
    ]
    if not usable:
        left = {column.name: _why_none(column) for column in table.columns.values() if column.name not in taken}
        told = "; ".join(f"{name!r} {why}" for name, why in list(left.items())[:_NAMED]) or "there is no other column"
        raise DataError(f"{table.rows.name}: no column of numbers to predict ({told}). Mend one, or add it.")
    likely = [column for column in usable if not column.is_named_like_id] or usable
    chosen, which = (likely[0], "first") if first else (likely[-1], "last")
    ids = " but what is named like an id" if len(likely) < len(usable) else ""
    several = f"the {which} of {len(likely)} columns of numbers{ids}; another by --target"
    why = several if len(likely) > 1 else f"the only column of numbers{ids}"
    return chosen, why + _passed_over(table, chosen, taken, first)


def class_of(table: Table, taken: Collection[str], named: str | None) -> tuple[Column, str]:
    """Return the column of classes: named like one, or of the fewest different cells; and why it is that one.

    Args:
        table: the columns.
        taken: those that have another role.
        named: the one that was asked for, if any was.

    Raises:
        DataError: no column holds a few different cells again and again, or the one asked for has another role.
    """
    if named in taken:
        raise DataError(f"{table.rows.name}: the column {named!r} has another role. Name another by --target.")
    if named is not None:
        return table.column(named), "as asked for"
    found = [column for column in table.columns.values() if column.name not in taken and column.is_category]
    if not found:
        kinds = ", ".join(f"{column.name!r} {column.distinct:,}" for column in [*table.columns.values()][:_NAMED])
        raise DataError(
            f"{table.rows.name}: no column of classes, of which each comes again and again (different cells: {kinds}). "
            "Add one, or name it by --target."
        )
    likely = [column for column in found if not _CLASSES.isdisjoint(re.split(r"[^a-z]+", column.name.lower()))]
    chosen = min(likely or found, key=lambda column: column.distinct)
    others = "; another by --target" if len(found) > 1 else ""
    return chosen, f"{chosen.distinct} different cells in {len(chosen.cells):,} rows{others}"


def left_out(table: Table, taken: Collection[str], usable: str) -> list[str]:
    """Return a line for all columns that no setting names for one reason.

    Args:
        table: the columns.
        taken: those that have a role.
        usable: what is to be said of those that nothing speaks against.
    """
    reasons: dict[str, list[str]] = {}
    for column in table.columns.values():
        if column.name not in taken:
            reasons.setdefault(_why_left(column, usable), []).append(repr(column.name))
    return [
        f"Not used: {_listed(names)}, {'each of which' if len(names) > 1 else 'which'} {reason}."
        for reason, names in reasons.items()
    ]


def _why_left(column: Column, usable: str) -> str:
    if column.spoilt:
        return f"{column.spoilt}, and it can be used"
    if column.useless:
        return column.useless
    return usable if column.numbers is not None else f"holds text of {column.distinct:,} kinds"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _passed_over(table: Table, chosen: Column, taken: Collection[str], first: bool) -> str:
    """Return what is to be said of a column that would be the target but for a few cells; empty where there is none."""
    columns = [column for column in table.columns.values() if column.name not in taken]
    candidates = (column for column in (columns if first else reversed(columns)) if column is chosen or column.spoilt)
    likely = next(candidates)
    if likely is chosen:
        return ""
    return f"; not {likely.name!r}, which {likely.spoilt} to take it"


def _asked_for(table: Table, column: Column, taken: Collection[str]) -> Column:
    if column.name in taken:
        raise DataError(
            f"{table.rows.name}: the column {column.name!r} holds times or names. Name another by --target."
        )
    if column.numbers is None or column.useless:
        raise DataError(f"{table.rows.name}: the column {column.name!r} {_why_none(column)}. Mend it, or name another.")
    return column


def _why_none(column: Column) -> str:
    """Return why a column cannot be predicted."""
    return column.spoilt or column.useless or "holds no numbers"
