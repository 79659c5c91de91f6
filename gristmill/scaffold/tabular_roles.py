"""Roles of a table's columns as inputs: numbers, categories, dates or texts, and why a column has none."""

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gristmill.domains.tabular.columns import are_dates, as_text
from gristmill.domains.tabular.preprocess import MAX_ENCODED_NAMES, why_unresolved
from gristmill.errors import count_of, short_repr
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.table import SampledColumn, SampledTable
from gristmill.scaffold.target_column import describe_texts
from gristmill.scaffold.time_columns import holds_unread_times

_MIN_FILLED, _MIN_FILLED_SHARE = 10, 0.02  # cells of a mostly empty input; whether few are filled is often a leak
_OTHER_DATE = r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(\D.*)?|(19|20)\d{6}T\d{4,6}"  # 31.01.2024 or 20240131T0900
_REASONS = {
    "numbers": "remove those that reveal the target",
    "categories": "",
    "dates": "ISO dates: encoded as year, month, weekday and so on",
    "texts": "short texts: encoded by their most frequent words",
}


@dataclass(frozen=True)
class Roles:
    """Columns by their role, and the others."""

    columns: Mapping[str, Sequence[SampledColumn]]  # by key of ingest
    left_out: Mapping[str, str]  # name and why

    @property
    def inputs(self) -> list[SampledColumn]:
        """Return the columns of all roles."""
        return [column for columns in self.columns.values() for column in columns]

    @property
    def guesses(self) -> list[Guess]:
        """Return the settings of the roles, with the number of empty cells."""
        return [
            Guess(role, [column.name for column in columns], _role_reason(role, columns) + _empty_cells(columns))
            for role, columns in self.columns.items()
            if columns
        ]

    def without(self, names: Collection[str]) -> "Roles":
        """Return the roles of the other columns."""
        kept = {role: [c for c in columns if c.name not in names] for role, columns in self.columns.items()}
        return replace(self, columns=kept)


def choose_roles(table: SampledTable, others: Collection[str], reserved: Container[str]) -> Roles:
    """Return the roles of the columns except `others`; no name may be a reserved one."""
    by_role: dict[str, list[SampledColumn]] = {role: [] for role in _REASONS}
    left_out = {}
    for column in table.columns.values():
        if column.name in others:
            continue
        role, why_not = _choose_role(table, column)
        if column.name in reserved:
            left_out[column.name] = "has the name of an output of predict: rename it in source.prepare to use it"
        elif role:
            by_role[role].append(column)
        else:
            left_out[column.name] = why_not
    return Roles(by_role, left_out)


def _role_reason(role: str, columns: Sequence[SampledColumn]) -> str:
    if role == "categories":
        return f"at most {count_of(max(column.distinct for column in columns), 'different values')}"
    return _REASONS[role]


def _empty_cells(columns: Sequence[SampledColumn]) -> str:
    """Return the number of empty cells, and the column with most of them."""
    empty = {column.name: column.empty for column in columns if column.empty}
    if not empty:
        return ""
    name = max(empty, key=lambda name: empty[name])
    where = f", most in {name!r} ({empty[name]:,})" if len(empty) > 1 else f" in {name!r}"
    return f"; {count_of(sum(empty.values()), 'empty cells')}{where}"


def _choose_role(table: SampledTable, column: SampledColumn) -> tuple[str, str]:
    """Return the role of a column, or an empty string and why it is left out."""
    filled = len(column.cells) - column.empty
    # A column may say something by being empty or not, if there are ten rows of each.
    if column.why_constant and not (column.distinct == 1 and min(filled, column.empty) >= 10):
        return "", column.why_constant
    if filled < column.empty and filled < max(_MIN_FILLED, _MIN_FILLED_SHARE * len(column.cells)):
        share = 100 * column.empty // len(column.cells)
        return "", f"is empty in {share} % of the rows, so too little to learn from; add it to ingest to use it"
    if column.is_named_like_id:
        if column.is_category:
            return "categories", ""
        return "", "has a different value in each row" if column.distinct == filled else "is named like an ID"
    if column.numbers is not None and column.cells.dtype.kind != "M":
        why_not = why_not_resolved(column.numbers)
        return "" if why_not else "numbers", why_not
    if column.why_not_numbers:
        return "", f"{column.why_not_numbers} to use it"
    if date_role := _choose_date_role(table, column):
        return date_role
    if holds_unread_times(column):
        return "", describe_texts(column)
    if column.distinct <= min(MAX_ENCODED_NAMES, max(2, filled / 5)):
        return "categories", ""
    # Something can be learned from words that 5 rows, and between 1 % and 90 % of all rows, have. Most cells need one.
    cells = column.cells.dropna().astype("str").str.lower().reset_index(drop=True)
    words = cells.str.findall(r"[^\W\d_]{3,}").map(lambda words: list(dict.fromkeys(words))).explode()
    counts = words.value_counts()
    common = counts[counts.between(max(5, 0.01 * len(cells)), 0.9 * len(cells))]
    if words.isin(common.index).groupby(words.index).any().mean() >= 0.5:
        return "texts", ""
    why_not = describe_texts(column)
    return "", f"{why_not}, too many for a category" if why_not.endswith("different texts") else why_not


def _choose_date_role(table: SampledTable, column: SampledColumn) -> tuple[str, str] | None:
    """Return the role of a column of dates, or why it is left out; None for other columns."""
    cells = as_text(column.cells)[column.cells.notna().to_numpy()]
    dates = are_dates(cells)
    if dates.all():
        return "dates", ""
    if (dates | cells.str.strip().str.fullmatch(_OTHER_DATE)).mean() < 0.5:  # otherwise, the other cells are mistakes
        return None
    bad = int(np.flatnonzero(column.cells.notna())[int((~dates).to_numpy().argmax())])
    received = short_repr(column.cells.iloc[bad])
    if dates.any():
        where = table.rows.where(bad).removeprefix(f"{table.rows.name} ")
        return "", f"holds {received} ({where}) among ISO dates: write all dates like {cells[dates].iloc[0]} to use it"
    return "", f"holds dates such as {received}: write them like 2024-01-31 in source.prepare"


def why_not_resolved(numbers: "pd.Series[float]") -> str:
    """Return why float32 cannot tell numbers apart; empty if it can."""
    return why_unresolved(np.asarray(numbers.dropna(), np.float64))
