"""Proposed split of a table: by a column of the file, by time, by group, or at random."""

from collections.abc import Sequence

import pandas as pd

from gristmill.domains.tabular.columns import as_text
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.table import SampledTable
from gristmill.sources.parts import PARTS
from gristmill.util.toml import toml_value

_TIME_WORDS = {"date", "datum", "datetime", "timestamp", "time", "day", "created", "ordered", "sold", "purchased"}
_TIME_WORDS |= {"booked", "visited", "recorded", "measured", "observed", "invoiced"}
_OTHER_TIME_WORDS = {"birth", "born", "hire", "hired", "due", "expiry", "end", "last", "first", "start", "since"}
_OTHER_TIME_WORDS |= {"joined", "registered", "signup", "updated", "delivery", "delivered", "shipped", "return"}
_GROUP_WORDS = {"customer", "client", "patient", "user", "subject", "person", "member", "participant", "respondent"}
_GROUP_WORDS |= {"household", "visitor", "session", "account", "student", "employee", "player", "speaker", "group"}
_FILLER_WORDS = {"id", "ids", "identifier", "key", "uuid", "no", "nr", "number", "code", "name"}


def part_column(table: SampledTable, target: str) -> SampledColumn | None:
    """Return the column that names the training, validation and test set, if there is one."""
    others = (column for column in table.columns.values() if column.name != target)
    return next((column for column in others if column.names_parts and "train" in _parts(column)), None)


def time_column(dates: Sequence[SampledColumn], classes: SampledColumn | None) -> SampledColumn | None:
    """Return the column of dates that orders the rows, if its name suggests it and no other column is as likely.

    All classes, if there are any, must be among its oldest and its newest rows.
    """
    named = [column for column in dates if not _TIME_WORDS.isdisjoint(column.words)]
    full = [column for column in named if not column.empty and column.distinct >= 10]
    likely = [column for column in full if _OTHER_TIME_WORDS.isdisjoint(column.words)]
    if len(likely) > 1:
        likely = [column for column in likely if _times(column).is_monotonic_increasing]
    if len(likely) != 1 or not classes:
        return likely[0] if len(likely) == 1 else None
    cells = classes.cells.iloc[_times(likely[0]).argsort(kind="stable")].dropna()
    newest = round(0.3 * len(cells))  # rows of validation and test set
    return likely[0] if set(cells[:-newest]) == set(cells[-newest:]) else None


def group_column(table: SampledTable, target: str) -> SampledColumn | None:
    """Return the column that names the customer, patient or the like of several rows, if there is one."""
    others = (column for column in table.columns.values() if column.name != target)
    return next(filter(_names_groups, others), None)


def split_guesses(
    table: SampledTable, part: SampledColumn | None, time: SampledColumn | None, group: SampledColumn | None
) -> list[Guess]:
    """Return the table `preprocess`."""
    rows, guesses = len(table.rows.frame), []
    # By time, or by group, or at random.
    if time:
        stamps = _times(time)
        span = f"{stamps.min():%Y-%m-%d} to {stamps.max():%Y-%m-%d}"
        why = f'dates from {span}: the newest rows are the test set; "random" draws it instead'
        why_time = "chosen by its name"
        if group:
            name = toml_value(group.name)
            why_time += (
                f". Rows of one {name} may be in several sets; to test on new ones only, write "
                f'split = "random", group = {name} and ingest.metadata = [{name}] instead'
            )
        guesses = [Guess("split", "last", why), Guess("time", time.name, why_time)]
    elif group:
        why = f"{group.distinct:,} different values in {rows:,} rows: the rows of each stay in one set"
        guesses = [Guess("group", group.name, why)]
    # The sizes of the parts that no column names.
    parts = _parts(part) if part else set()
    validation, test = (0.2, 0.25) if rows < 300 else (0.1, 0.2)
    if "validation" not in parts:
        why = f"about {round(validation * rows):,} of {rows:,} rows: used to choose the model"
        guesses.append(Guess("validation", validation, why))
    if "test" not in parts:
        last = "" if time or group or part else '; split = "last" takes the last rows'
        guesses.append(Guess("test", test, f"about {round(test * rows):,}: used only for the scores{last}"))
    return guesses


def _parts(column: SampledColumn) -> set[str]:
    return {PARTS[str(cell).lower()] for cell in column.cells.dropna().unique()}


def _times(column: SampledColumn) -> "pd.Series[pd.Timestamp]":
    return pd.to_datetime(as_text(column.cells), format="ISO8601", utc=True)


def _names_groups(column: SampledColumn) -> bool:
    """Return whether a column is named like a person or group, and most rows share its value with a few others."""
    if _GROUP_WORDS.isdisjoint(column.words) or not column.words <= _GROUP_WORDS | _FILLER_WORDS:
        return False
    if column.numbers is not None and not (column.numbers.dropna() % 1 == 0).all():
        return False
    counts, rows = column.cells.value_counts(), len(column.cells)
    return bool(counts[counts > 1].sum() >= 0.5 * rows and len(counts) >= 10 and counts.iloc[0] <= 0.2 * rows)
