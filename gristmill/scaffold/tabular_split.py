"""Split of a table's rows: columns of parts, groups or times, shares of the parts, and a note on rows in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gristmill.domains.tabular.columns import as_text
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.table import SampledColumn, SampledTable
from gristmill.sources.set_names import PARTS
from gristmill.util.toml import toml_value

_TIME_WORDS = {"date", "datum", "datetime", "timestamp", "time", "day", "created", "ordered", "sold", "purchased"}
_TIME_WORDS |= {"booked", "visited", "recorded", "measured", "observed", "invoiced"}
_OTHER_TIME_WORDS = {"birth", "born", "hire", "hired", "due", "expiry", "end", "last", "first", "start", "since"}
_OTHER_TIME_WORDS |= {"joined", "registered", "signup", "updated", "delivery", "delivered", "shipped", "return"}
_GROUP_WORDS = {"customer", "client", "patient", "user", "subject", "person", "member", "participant", "respondent"}
_GROUP_WORDS |= {"household", "visitor", "session", "account", "student", "employee", "player", "speaker", "group"}
_FILLER_WORDS = {"id", "ids", "identifier", "key", "uuid", "no", "nr", "number", "code", "name"}
_FEW_ROWS = 300  # below, larger parts for validation and test
_MIN_ORDERED = 50  # rows
_MIN_CORRELATION = 0.6  # of neighbouring rows
_MAX_SORTED = 0.75  # share of rows that rise, or that fall


@dataclass(frozen=True)
class Split:
    """Columns that divide the rows into training, validation and test set, if there are any."""

    part: SampledColumn | None
    group: SampledColumn | None
    time: SampledColumn | None

    @property
    def columns(self) -> list[Guess]:
        """Return the settings of ingest."""
        if self.part:
            return [Guess("part", self.part.name, "train, validation or test")]
        if self.group and not self.time:
            return [Guess("metadata", [self.group.name], "kept for the split, not an input")]
        return []

    @property
    def left_out(self) -> Mapping[str, str]:
        """Return the column of groups that is not used beside one of times, and why."""
        if not self.group or not self.time:
            return {}
        name = toml_value(self.group.name)
        return {
            self.group.name: "identifies groups of rows, which may be in several sets: to test on new groups only, "
            f'write preprocess.split = "random", preprocess.group = {name} and ingest.metadata = [{name}], without time'
        }

    def guesses(self, rows: int) -> list[Guess]:
        """Return the table `preprocess`."""
        guesses = []
        # By time, or by group, or at random.
        if self.time:
            stamps = _times(self.time)
            span = f"{stamps.min():%Y-%m-%d} to {stamps.max():%Y-%m-%d}"
            why = 'the newest rows are the test set; "random" draws it instead'
            guesses = [Guess("split", "last", why), Guess("time", self.time.name, f"chosen by its name: {span}")]
        elif self.group:
            why = f"{self.group.distinct:,} different values in {rows:,} rows: the rows of each stay in one set"
            guesses = [Guess("group", self.group.name, why)]
        # The sizes of the parts that no column names.
        named = _parts(self.part) if self.part else set()
        validation, test = (0.2, 0.25) if rows < _FEW_ROWS else (0.1, 0.2)
        if "validation" not in named:
            why = f"about {round(validation * rows):,} of {rows:,} rows: used to choose the model"
            guesses.append(Guess("validation", validation, why))
        if "test" not in named:
            last = "" if self.time or self.group or self.part else '; or split = "last"'
            guesses.append(Guess("test", test, f"about {round(test * rows):,}: used only for the scores{last}"))
        return guesses


def part_column(table: SampledTable, target: str) -> SampledColumn | None:
    """Return the column that names the training, validation and test set, if there is one."""
    others = (column for column in table.columns.values() if column.name != target)
    return next((column for column in others if column.names_parts and "train" in _parts(column)), None)


def time_column(dates: Sequence[SampledColumn], classes: SampledColumn | None) -> SampledColumn | None:
    """Return the column of dates that orders the rows, if its name suggests it and no other column is as likely.

    All classes of two rows or more, if there are any, must be among its oldest and its newest rows.
    """
    named = [column for column in dates if not _TIME_WORDS.isdisjoint(column.words)]
    full = [column for column in named if not column.empty and column.distinct >= 10]
    likely = [column for column in full if _OTHER_TIME_WORDS.isdisjoint(column.words)]
    if len(likely) > 1:
        likely = [column for column in likely if _times(column).is_monotonic_increasing]
    if len(likely) != 1 or not classes:
        return likely[0] if len(likely) == 1 else None
    cells = classes.cells.iloc[_times(likely[0]).argsort(kind="stable")].dropna()
    cells = cells[cells.duplicated(keep=False)]
    newest = round(0.3 * len(cells))  # rows of validation and test set
    return likely[0] if set(cells[:-newest]) == set(cells[-newest:]) else None


def group_column(table: SampledTable, target: str) -> SampledColumn | None:
    """Return the column that names the customer, patient or the like of several rows, if there is one."""
    for column in table.columns.values():
        is_named = not _GROUP_WORDS.isdisjoint(column.words) and column.words <= _GROUP_WORDS | _FILLER_WORDS
        is_whole = column.numbers is None or (column.numbers.dropna() % 1 == 0).all()
        if column.name == target or not is_named or not is_whole:
            continue
        # Most rows share its value with a few others.
        counts, rows = column.cells.value_counts(), len(column.cells)
        if counts[counts > 1].sum() >= 0.5 * rows and len(counts) >= 10 and counts.iloc[0] <= 0.2 * rows:
            return column
    return None


def order_notes(target: SampledColumn, columns: Sequence[SampledColumn]) -> list[str]:
    """Return a note if the numbers of neighbouring rows are alike, as in order of time, but the rows are not sorted.

    Rows that are sorted by one of the columns are compared within each of its values.
    """
    ranks = pd.Series(target.numbers).rank()
    steps = np.diff(ranks.dropna())
    if len(steps) < _MIN_ORDERED or max((steps >= 0).mean(), (steps <= 0).mean()) > _MAX_SORTED:
        return []
    for column in columns:
        if column is not target and _is_sorted_by(column):
            ranks -= ranks.groupby(column.cells.to_numpy()).transform("mean")
    ranks = ranks.dropna()
    correlation = np.corrcoef(ranks[1:], ranks[:-1])[0, 1] if ranks.nunique() > 1 else 0.0
    if correlation < _MIN_CORRELATION:
        return []
    return [
        f"Check the domain: {target.name!r} of neighbouring rows is alike (correlation {correlation:.2f}). If the rows "
        'are in order of time, set preprocess.split = "last", or add a column of times for a forecast.'
    ]


def _is_sorted_by(column: SampledColumn) -> bool:
    """Return whether equal values of a column, several rows of each, are in neighbouring rows."""
    cells = column.cells.reset_index(drop=True)
    runs = int((cells != cells.shift()).sum())
    return 1 < runs == column.distinct <= len(cells) / 5 and not column.empty


def _parts(column: SampledColumn) -> set[str]:
    return {PARTS[str(cell).lower()] for cell in column.cells.dropna().unique()}


def _times(column: SampledColumn) -> "pd.Series[pd.Timestamp]":
    return pd.to_datetime(as_text(column.cells), format="ISO8601", utc=True)
