"""Choice of the column to predict or of classes, and notes on unused columns and on inputs that may leak the target."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.tabular.leaks import Leak, derived_columns
from gristmill.errors import DataError, RequestError, count_of, short_repr
from gristmill.scaffold.table import SampledColumn, SampledTable, words_of
from gristmill.scaffold.time_columns import is_named_like_time
from gristmill.util.toml import toml_value

_CLASS_WORDS = {"label", "class", "category", "target", "sentiment", "topic", "is"}  # in the names of columns
# Words in the names of numbers that people forecast, and of those that they predict, the most telling first
_FORECAST_WORDS = ("target", "close", "sales", "demand", "revenue", "load", "consumption")
_OUTCOME_WORDS = (
    *("target", "sales", "demand", "revenue", "price", "salary", "wage", "earnings", "charges", "rent", "profit"),
    *("score", "rating", "quality", "mpg", "load", "consumption", "cost"),
)
_EARLIER_WORDS = {"previous", "prev", "prior", "past", "last", "history", "baseline", "initial", "old", "former"}
_EARLIER_WORDS |= {"unit", "per"}  # in names of what is known before an outcome, or of a part of it
_MAY_FOLLOW = {"usd", "eur", "gbp", "dollars", "euros", "in", "value", "amount", "total", "flag", "next", "month"}
_MAY_FOLLOW |= {"payment", "binary", "label", "name", "code", "group", "yn", "n", "w", "k", "kwh", "mw", "id", "class"}
_TRANSFORMED = {"log", "ln", "log10", "sqrt", "squared"}  # in the names of functions of another column
_USUAL_INPUTS = {"age", "sex", "gender", "race", "black", "white", "hispanic", "female", "male", "married", "marital"}
_USUAL_INPUTS |= {"kids", "children", "year", "group", "grp", "treatment"}  # in names of what is rarely predicted
_MAX_COLUMNS_LISTED = 12
_MIN_ROWS = 30  # for which a leak is said
_MIN_RANK_CORRELATION = 0.999
_MIN_DETERMINED_SHARE = 0.99  # minimum share of rows whose target a category determines


def check_no_target(target: str | None, instead: str) -> None:
    """Raise `RequestError` if --target is used although there are no columns; `instead` says what names the classes."""
    if target is not None:
        raise RequestError(f"--target {target}: there are no columns here, {instead}. Leave --target out.")


def choose_target(
    table: SampledTable, requested: str | None, taken: Collection[str], first: bool
) -> tuple[SampledColumn, str]:
    """Return the numeric column to predict, the first or the last unless one is requested, and the reason.

    Raises:
        DataError: the requested column is unusable or taken, there is no numeric column, or a few cells of the likely
            column are not numbers.
    """
    if requested is not None:
        column = table.column(requested)
        if requested in taken:
            raise table.error(f"the column {requested!r} holds times or names. Choose another with --target.")
        _check_cells(table, column)
        if column.numbers is None or column.why_useless:
            raise table.error(f"the column {requested!r} {_why_no_target(column)}. Fix it, or choose another.")
        return column, "as requested"
    # Without a request, choose among the numeric columns, preferably not named like an ID.
    free = [column for column in table.columns.values() if column.name not in taken]
    numeric = [column for column in free if column.cleaned.numbers is not None and not column.cleaned.why_useless]
    if not numeric:
        reasons = "; ".join(f"{column.name!r} {_why_no_target(column)}" for column in free[:_MAX_COLUMNS_LISTED])
        raise table.missing_column_error(
            f"no numeric column to predict ({reasons or 'there is no other column'}). Convert one of them in "
            "source.prepare, or add such a column."
        )
    likely = [column for column in numeric if not column.is_named_like_id] or numeric
    likely = [column for column in likely if not is_named_like_time(column.name)] or likely
    likely = [column for column in likely if not is_usual_input(column)] or likely
    likely = likely if first else likely[::-1]
    clean = [column for column in numeric if column.first_bad is None]
    derived = derived_columns(pd.DataFrame({column.name: column.numbers for column in clean}))
    own = [column for column in likely if column.name not in derived] or likely
    chosen, count = own[0], sum(column.numbers is not None for column in own)
    ids = " not named like an ID" if any(column.is_named_like_id for column in numeric if column not in own) else ""
    why = f"the {'first' if first else 'last'} of {count} numeric columns{ids}"
    # A likely column with a few bad cells is not replaced by another.
    words = _FORECAST_WORDS if first else _OUTCOME_WORDS
    if chosen.first_bad is None and (named := named_outcome(likely, words)):
        chosen, why = named, "chosen by its name"
    others = [column for column in own if column is not chosen]
    _check_cells(table, chosen)
    return chosen, why + or_another(others) if count > 1 else f"the only numeric column{ids}"


def named_outcome(columns: Sequence[SampledColumn], outcomes: Sequence[str] = _OUTCOME_WORDS) -> SampledColumn | None:
    """Return the column with the most telling word for an outcome in its name, the shortest untransformed one."""
    for outcome in outcomes:
        if named := [column for column in columns if names_outcome(column, {outcome})]:
            return min(named, key=lambda column: (not _TRANSFORMED.isdisjoint(column.words), len(column.name)))
    return None


def names_outcome(column: SampledColumn, outcomes: Collection[str]) -> bool:
    """Return whether a name ends in one of the words, as `house_price` and `price_usd` do, but not `unit_price`."""
    words = words_of(column.name)
    while len(words) > 1 and words[-1] in _MAY_FOLLOW:
        words.pop()
    is_last = bool(words) and words[-1].rstrip("s") in {outcome.rstrip("s") for outcome in outcomes}
    return is_last and _EARLIER_WORDS.isdisjoint(words)


def is_usual_input(column: SampledColumn) -> bool:
    """Return whether the name says that others are rarely used to predict the column, such as `age`."""
    return not _USUAL_INPUTS.isdisjoint(column.words)


def or_another(others: Sequence[SampledColumn]) -> str:
    """Return how to choose another target, with the most likely of the others."""
    return f"; for another: --target {others[0].name!r}" if others else ""


def choose_class_column(
    table: SampledTable, taken: Collection[str], requested: str | None
) -> tuple[SampledColumn, str]:
    """Return the column of classes, and the reason: it is named like one, or has the fewest different values."""
    if requested in taken:
        raise table.error(f"the column {requested!r} has another role. Choose another with --target.")
    if requested is not None:
        return table.column(requested), "as requested"
    free = [column for column in table.columns.values() if column.name not in taken and column.is_category]
    if not free:
        listed = [*table.columns.values()][:_MAX_COLUMNS_LISTED]
        counts = ", ".join(f"{column.name!r} {column.distinct:,}" for column in listed)
        raise table.missing_column_error(
            f"no column of classes, which repeats a few values (different values: {counts}). Add one, or name it "
            "with --target."
        )
    likely = [column for column in free if not _CLASS_WORDS.isdisjoint(column.words)] or free
    chosen = min(likely, key=lambda column: column.distinct)
    others = "; choose another with --target" if len(free) > 1 else ""
    return chosen, f"{chosen.distinct} different values in {len(chosen.cells):,} rows{others}"


def unused_notes(table: SampledTable, used: Collection[str], others: Mapping[str, str] | None = None) -> list[str]:
    """Return one note for each reason why columns are not used; `others` has the reasons for usable ones."""
    reasons = {}
    for column in table.columns.values():
        if column.name not in used:
            problem = f"{column.why_not_numbers} to use it" if column.why_not_numbers else column.why_useless
            reasons[column.name] = problem or (others or {}).get(column.name) or describe_texts(column)
    return left_out_notes(reasons)


def left_out_notes(reasons: Mapping[str, str]) -> list[str]:
    """Return one note for each of the reasons why columns are left out."""
    columns: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        columns.setdefault(reason, []).append(name)
    return [f"Not used: {_listed(names)} {reason}." for reason, names in columns.items()]


def _listed(names: Sequence[str]) -> str:
    """Return names before a relative clause: `'a', which` or `'a', 'b', each of which`."""
    hidden = len(names) - _MAX_COLUMNS_LISTED
    listed = ", ".join(map(repr, names[:_MAX_COLUMNS_LISTED])) + (f" and {hidden} more" if hidden > 0 else "")
    return f"{listed}, {'each of which' if len(names) > 1 else 'which'}"


def describe_texts(column: SampledColumn) -> str:
    """Return what a column of texts holds, and how it could be read as numbers or times if it looks like them."""
    if column.first_bad is not None:
        return f"holds {short_repr(column.cells.iloc[column.first_bad])} among numbers: correct such cells to use it"
    texts = f"holds {column.distinct:,} different texts"
    described = "has a different value in each row" if column.distinct == len(column.cells) else texts
    if column.numbers is not None or not column.distinct:
        return described
    texts_such_as = f"{texts} such as {short_repr(column.cells.dropna().iloc[0])}"
    if unit := column.possible_unit:
        setting = toml_value({column.name: unit})
        return f"{texts_such_as}; if {unit!r} is a unit, set the source's units = {setting}"
    if not is_named_like_time(column.name):
        return described
    return (
        f"{texts_such_as}; if these are times, write them in source.prepare as 2024-01-31, or with English names of "
        "months"
    )


def _check_cells(table: SampledTable, column: SampledColumn) -> None:
    """Raise `DataError` for the first cell that is not a number in a column of mostly numbers."""
    if column.first_bad is None:
        return
    good = column.unmarked[~column.bad].dropna()
    as_in = f" as in {short_repr(good.iloc[0])}" if len(good) else ""
    raise DataError(
        f"{table.rows.where(column.first_bad)}, column {column.name!r}: expected a number, found "
        f"{short_repr(column.cells.iloc[column.first_bad])} ({count_of(column.bad.sum(), 'such cells')}). Use only "
        f"digits and the decimal mark{as_in}, or convert them in source.prepare; leave such cells empty, or choose "
        "another column with --target."
    )


def _why_no_target(column: SampledColumn) -> str:
    if problem := column.why_not_numbers or column.why_useless:
        return problem
    if column.possible_unit:
        return describe_texts(column)
    return f"holds texts such as {short_repr(column.cells.dropna().iloc[0])}"


def leak_notes(leaks: Iterable[Leak], target: str) -> list[str]:
    """Return a note for each relation of the target to columns that are left out."""
    return [
        f"Not used: {', '.join(map(repr, leak.columns))}, because the target {target!r} {leak.relation}. Add a "
        "column to ingest only if you know it before the target."
        for leak in leaks
    ]


def possible_leak_notes(target: SampledColumn, inputs: Iterable[SampledColumn]) -> list[str]:
    """Return a note for each way in which inputs may contain the target, with the figure that says so."""
    figures: dict[str, dict[str, float]] = {}
    for column in inputs:
        way, figure = _leak(target, column)
        if figure:
            figures.setdefault(way, {})[column.name] = figure
    notes = []
    for way, by_name in figures.items():
        told = way.format(min(by_name.values()), " or more" if len(by_name) > 1 else "")
        unless = f"Leave out what you do not know before the target {target.name!r}."
        notes.append(f"Possible leak: {_listed([*by_name])} {told}. {unless}")
    return notes


def _leak(target: SampledColumn, column: SampledColumn) -> tuple[str, float]:
    """Return how a column nearly reveals the target, and a figure from 0 to 1: 0 if it does not."""
    known = target.cells.notna().to_numpy()
    if known.sum() < _MIN_ROWS:
        return "", 0.0
    cells = column.cells[known].astype(object)
    values = target.cells[known].astype(object)
    if column.numbers is not None and target.numbers is not None and target.distinct > 2:
        both = pd.DataFrame({"target": target.numbers, "number": column.numbers}).dropna().rank()
        if (rank := abs(both["target"].corr(both["number"]))) >= _MIN_RANK_CORRELATION:
            return "follows the target (rank correlation {:.4f}{})", float(rank)
    if share := _determined_share(cells.isna(), values):
        return "determines the target in {:.1%}{} of the rows by being empty or not", share
    return "determines the target in {:.1%}{} of the rows by its values", _determined_share(cells, values)


def _determined_share(cells: "pd.Series[Any]", target: "pd.Series[Any]") -> float:
    """Return the share of rows whose cell determines the target; 0 if it is low, or hardly above chance."""
    some = evenly_spaced(len(cells), 200_000)
    rows = pd.DataFrame({"cell": cells.iloc[some], "target": target.iloc[some]}).dropna()
    # A value that does not repeat always determines the target of its row.
    if rows.empty or 2 * rows["cell"].nunique() > len(rows):
        return 0.0
    usual = rows.groupby(["cell", "target"]).size().groupby(level=0).max().sum() / len(rows)
    by_chance = rows["target"].value_counts(normalize=True).iloc[0]
    return 0.0 if usual < _MIN_DETERMINED_SHARE or 1 - usual > (1 - by_chance) / 10 else float(usual)
