"""Which column of a table is to be predicted, and what becomes of the others."""

import re
from collections.abc import Collection

from gristmill.errors import DataError, RequestError, count_such, short_repr
from gristmill.scaffold.column import Column
from gristmill.scaffold.table import SampledTable

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


def target_of(table: SampledTable, named: str | None, taken: Collection[str], first: bool) -> tuple[Column, str]:
    """Return the column of numbers to predict, and why it is that one.

    Args:
        table: the columns.
        named: the one that was asked for, if any was.
        taken: columns that have another role.
        first: whether the first column of numbers is guessed, or the last.

    Raises:
        DataError: the column asked for cannot be used, there is no column of numbers, or a few cells of the column that
            would be chosen are no numbers.
    """
    if named is not None:
        return _asked_for(table, table.column(named), taken), "as asked for"
    free = [column for column in table.columns.values() if column.name not in taken]
    meant = [column for column in free if column.cleaned.numbers is not None and not column.cleaned.useless]
    if not meant:
        told = "; ".join(f"{column.name!r} {_why_none(column)}" for column in free[:_NAMED])
        raise DataError(
            f"{table.rows.name}: no column of numbers to predict ({told or 'there is no other column'}). "
            "Fix one of them, or add such a column."
        )
    likely = [column for column in meant if not column.is_named_like_id] or meant
    chosen, which = (likely[0], "first") if first else (likely[-1], "last")
    _refuse_bad_cells(table, chosen)
    sound = [column for column in likely if column.numbers is not None]
    ids = " not named like an ID" if len(likely) < len(meant) else ""
    several = f"the {which} of {len(sound)} columns of numbers{ids}; another by --target"
    return chosen, several if len(sound) > 1 else f"the only column of numbers{ids}"


def class_of(table: SampledTable, taken: Collection[str], named: str | None) -> tuple[Column, str]:
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


def left_out(table: SampledTable, taken: Collection[str], usable: str) -> list[str]:
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


def _refuse_bad_cells(table: SampledTable, column: Column) -> None:
    """Refuse a target of mostly numbers by its first cell that is none."""
    if column.first_bad is None:
        return
    bad = int(column.bad.sum())
    raise DataError(
        f"{table.rows.where(column.first_bad)}, column {column.name!r}: expected a number, found "
        f"{short_repr(column.cells.iloc[column.first_bad])} ({count_such(bad, 'cell')}). Use only digits and the "
        "decimal mark, leave such cells empty, or choose another column with --target."
    )


def _asked_for(table: SampledTable, column: Column, taken: Collection[str]) -> Column:
    if column.name in taken:
        raise DataError(
            f"{table.rows.name}: the column {column.name!r} holds times or names. Name another by --target."
        )
    _refuse_bad_cells(table, column)
    if column.numbers is None or column.useless:
        raise DataError(f"{table.rows.name}: the column {column.name!r} {_why_none(column)}. Mend it, or name another.")
    return column


def _why_none(column: Column) -> str:
    """Return why a column cannot be predicted."""
    return column.spoilt or column.useless or "holds no numbers"
