"""Choice of the column that is predicted from the others, and whether its values are classes or numbers."""

from gristmill.domains.tabular.columns import as_text
from gristmill.errors import DataError, short_repr
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.shared_guesses import list_classes
from gristmill.scaffold.table import SampledTable
from gristmill.scaffold.target_column import choose_target

_TARGET_WORDS = [  # in the names of columns of classes, the most telling first
    *("target", "label", "y", "outcome", "survived", "churn", "churned", "exited", "diagnosis", "species", "risk"),
    *("fraud", "default", "purchase", "purchased", "bought", "response", "result", "class"),
]
_CODE_WORDS = {"target", "label", "diagnosis", "species", "class", "category", "type", "kind", "code", "cluster"}
_MAX_CODES, _MAX_UNNAMED_CODES = 10, 5  # different whole numbers that are classes: named like codes, or not
_MIN_ROWS_PER_CODE = 5
_MIN_ROWS_PER_CLASS = 2  # on average


def choose_table_target(table: SampledTable, requested: str | None) -> tuple[SampledColumn, str]:
    """Return the column to predict and the reason: requested, named like classes, or the last of numbers.

    Raises:
        DataError: the requested column is unusable, or there is no column to predict.
    """
    columns = [*table.columns.values()]
    if requested is not None:
        column = table.column(requested)
        if column.numbers is None and choose_task(column).value == "classification":
            _check_classes(table, column)
            return column, "as requested"
        return choose_target(table, requested, set(), first=False)
    classes = [column for column in columns if column.is_category and choose_task(column).value != "regression"]
    ranks = {column: rank for column in classes if (rank := _rank(column)) is not None}
    if ranks:
        return min(reversed(ranks), key=ranks.__getitem__), "chosen by its name; choose another with --target"
    if classes and not any(column.cleaned.numbers is not None for column in columns):
        return classes[-1], "the last column of classes; choose another with --target"
    return choose_target(table, None, set(), first=False)


def choose_task(column: SampledColumn) -> Guess:
    """Return whether the values of a target are classes or numbers, but for a few bad cells, and why."""
    if column.first_bad is not None and (without_bad := choose_task(column.cleaned)).value == "regression":
        return without_bad
    classes, numbers, counts = column.distinct, column.numbers, as_text(column.cells.dropna()).value_counts()
    found = list_classes({str(name): int(count) for name, count in counts.items()})
    if numbers is None:
        return Guess("task", "classification", found)
    whole = bool((numbers.dropna() % 1 == 0).all()) and numbers.nunique() == classes
    if not whole or classes > _MAX_CODES:
        return Guess("task", "regression", f"{classes:,} different numbers")
    first, last = int(numbers.min()), int(numbers.max())
    named = not _CODE_WORDS.isdisjoint(column.words)
    codes = first in (0, 1) and last - first + 1 == classes <= (_MAX_CODES if named else _MAX_UNNAMED_CODES)
    if classes == 2 or (codes and counts.min() >= _MIN_ROWS_PER_CODE):
        other = '"regression" predicts a number'
        why = f"{found}; {other}" if classes == 2 else f"{found}; if these count or measure something, {other}"
        return Guess("task", "classification", why)
    why = f'{classes} whole numbers from {first} to {last}; if they are codes of classes, use "classification"'
    return Guess("task", "regression", why)


def _rank(column: SampledColumn) -> int | None:
    """Return the position of the first word for a target in the name of a column; None if there is none."""
    return next((rank for rank, word in enumerate(_TARGET_WORDS) if word in column.words), None)


def _check_classes(table: SampledTable, column: SampledColumn) -> None:
    """Raise `DataError` for a column of texts that cannot be classes."""
    value = f", {short_repr(column.cells.dropna().iloc[0])}" if column.distinct == 1 else ""
    problem = column.why_constant and f"{column.why_constant}{value}: there is nothing to predict"
    if column.distinct * _MIN_ROWS_PER_CLASS > len(column.cells) - column.empty:
        problem = problem or f"holds {column.distinct:,} different texts, too many for {len(column.cells):,} rows"
    if problem:
        raise DataError(
            f"{table.rows.name}: the column {column.name!r} {problem}. Fix it, or choose another with --target."
        )
