"""Roles of the columns of a table from which its target is predicted."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from gristmill.domains.tabular.columns import are_dates, as_text
from gristmill.domains.tabular.preprocess import MAX_ENCODED_NAMES, why_unresolved
from gristmill.errors import count_of, short_repr
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.table import SampledTable
from gristmill.scaffold.target_column import describe_texts

_MIN_ROWS_PER_NAME = 5  # on average
_MIN_DATES_SHARE = 0.5  # minimum share of dates for the other cells to count as mistakes
_MIN_EACH = 10  # rows with the only value of a column, and without it
_OTHER_DATE = r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(\D.*)?|(19|20)\d{6}T\d{4,6}"  # 31.01.2024 or 20240131T0900
_WORD = r"[^\W\d_]{3,}"
_COMMON_WORD = (0.01, 0.9)  # minimum and maximum share of rows with a word from which something can be learned
_MIN_ROWS_WITH_WORD = 5
_MIN_WORDED_SHARE = 0.5  # minimum share of rows with a common word


@dataclass(frozen=True)
class Roles:
    """Columns by the role in which they are read, and why others are left out."""

    by_role: dict[str, list[SampledColumn]]
    left_out: dict[str, str]

    @property
    def inputs(self) -> list[SampledColumn]:
        """Return all columns to predict from."""
        return [column for columns in self.by_role.values() for column in columns]

    def guesses(self) -> list[Guess]:
        """Return the settings, with the number of empty cells."""
        most = max((column.distinct for column in self.by_role["categories"]), default=0)
        reasons = {
            "numbers": "remove those that reveal the target",
            "categories": f"at most {count_of(most, 'different values')}",
            "dates": "ISO dates: encoded as year, month, weekday, hour and day number",
            "texts": "short texts: encoded by their most frequent words",
        }
        return [
            Guess(role, [column.name for column in columns], reasons[role] + _empty_cells(columns))
            for role, columns in self.by_role.items()
            if columns
        ]


def choose_roles(table: SampledTable, others: Sequence[str], reserved: Container[str]) -> Roles:
    """Return the roles of all columns except `others`; columns with a name that predictions use are left out."""
    by_role: dict[str, list[SampledColumn]] = {"numbers": [], "categories": [], "dates": [], "texts": []}
    left_out = {}
    for column in table.columns.values():
        if column.name in others:
            continue
        if column.name in reserved:
            left_out[column.name] = "has the name of an output of predict: rename it in source.prepare to use it"
        else:
            role, why_not = _role(table, column)
            if role:
                by_role[role].append(column)
            else:
                left_out[column.name] = why_not
    return Roles(by_role, left_out)


def _role(table: SampledTable, column: SampledColumn) -> tuple[str, str]:
    """Return the role of a column, or an empty string and why it is left out."""
    filled = len(column.cells) - column.empty
    if column.why_constant and not (column.distinct == 1 and min(filled, column.empty) >= _MIN_EACH):
        return "", column.why_constant
    if column.is_named_like_id:
        if column.is_category:
            return "categories", ""
        return "", "has a different value in each row" if column.distinct == filled else "is named like an ID"
    if column.numbers is not None and column.cells.dtype.kind != "M":
        why_not = why_unresolved(np.asarray(column.numbers.dropna(), np.float64))
        return ("", why_not) if why_not else ("numbers", "")
    if column.why_not_numbers:
        return "", f"{column.why_not_numbers} to use it"
    if found := _date_role(table, column):
        return found
    if column.distinct <= min(MAX_ENCODED_NAMES, max(2, filled / _MIN_ROWS_PER_NAME)):
        return "categories", ""
    if _has_common_words(column):
        return "texts", ""
    why_not = describe_texts(column)
    return "", f"{why_not}, too many for a category" if why_not.endswith("different texts") else why_not


def _date_role(table: SampledTable, column: SampledColumn) -> tuple[str, str] | None:
    """Return the role of a column of dates, or why it is left out; None for other columns."""
    cells = as_text(column.cells)[column.cells.notna().to_numpy()]
    dates = are_dates(cells)
    if dates.all():
        return "dates", ""
    if (dates | cells.str.strip().str.fullmatch(_OTHER_DATE)).mean() < _MIN_DATES_SHARE:
        return None
    bad = int(np.flatnonzero(column.cells.notna())[int((~dates).to_numpy().argmax())])
    found, where = short_repr(column.cells.iloc[bad]), table.rows.where(bad).removeprefix(f"{table.rows.name} ")
    if dates.any():
        return "", f"holds {found} ({where}) among ISO dates: write all dates like {cells[dates].iloc[0]} to use it"
    return "", f"holds dates such as {found}: write them like 2024-01-31 in source.prepare"


def _has_common_words(column: SampledColumn) -> bool:
    """Return whether most cells have a word that many other cells have too, but not all."""
    cells = column.cells.dropna().astype("str").str.lower().reset_index(drop=True)
    words = cells.str.findall(_WORD).map(lambda found: list(dict.fromkeys(found))).explode()
    counts = words.value_counts()
    low, high = (share * len(cells) for share in _COMMON_WORD)
    common = counts[counts.between(max(_MIN_ROWS_WITH_WORD, low), high)]
    return bool(words.isin(common.index).groupby(words.index).any().mean() >= _MIN_WORDED_SHARE)


def _empty_cells(columns: Sequence[SampledColumn]) -> str:
    """Return how many cells are empty, as an addition to a reason."""
    empty = {column.name: column.empty for column in columns if column.empty}
    count, more = sum(empty.values()), f" and {len(empty) - 1} more" if len(empty) > 1 else ""
    return f"; {count_of(count, 'empty cells')} in {next(iter(empty))!r}{more}" if empty else ""
