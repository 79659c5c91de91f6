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
_MIN_TIMES = 10
_GROUP_WORDS = {"customer", "client", "patient", "user", "subject", "person", "member", "participant", "respondent"}
_GROUP_WORDS |= {"household", "visitor", "session", "account", "student", "employee", "player", "speaker", "group"}
_FILLER_WORDS = {"id", "ids", "identifier", "key", "uuid", "no", "nr", "number", "code", "name"}
_MIN_GROUPS = 10
_MIN_GROUPED_SHARE = 0.5  # minimum share of rows whose group has other rows
_MAX_GROUP_SHARE = 0.2  # maximum share of rows in one group
_NEWEST_SHARE = 0.3  # of the rows, in validation and test set
_SMALL_TABLE = 300  # rows


def part_column(table: SampledTable, target: str) -> SampledColumn | None:
    """Return the column that names the training, validation and test set, if there is one."""
    found = (column for column in table.columns.values() if column.names_parts and "train" in _parts(column))
    return next((column for column in found if column.name != target), None)


def time_column(dates: Sequence[SampledColumn], classes: SampledColumn | None) -> SampledColumn | None:
    """Return the column of dates that orders the rows, if its name suggests it and no other column is as likely.

    All classes, if there are any, must be among its oldest and its newest rows.
    """
    named = [column for column in dates if not _TIME_WORDS.isdisjoint(column.words)]
    full = [column for column in named if not column.empty and column.distinct >= _MIN_TIMES]
    likely = [column for column in full if _OTHER_TIME_WORDS.isdisjoint(column.words)]
    if len(likely) > 1:
        likely = [column for column in likely if _times(column).is_monotonic_increasing]
    return likely[0] if len(likely) == 1 and (not classes or _has_all_classes(likely[0], classes)) else None


def group_column(table: SampledTable, target: str) -> SampledColumn | None:
    """Return the column that names the customer, patient or the like of several rows, if there is one."""
    return next((one for one in table.columns.values() if one.name != target and _names_groups(one)), None)


def split_guesses(
    table: SampledTable, part: SampledColumn | None, time: SampledColumn | None, group: SampledColumn | None
) -> list[Guess]:
    """Return the table `preprocess`."""
    rows, guesses = len(table.rows.frame), []
    given = _parts(part) if part else set()
    validation, test = (0.2, 0.25) if rows < _SMALL_TABLE else (0.1, 0.2)
    if time:
        stamps = _times(time)
        span = f"{stamps.min():%Y-%m-%d} to {stamps.max():%Y-%m-%d}"
        why = f'dates from {span}: the newest rows are the test set; "random" draws it instead'
        guesses = [Guess("split", "last", why), Guess("time", time.name, _why_time(group))]
    elif group:
        why = f"{group.distinct:,} different values in {rows:,} rows: the rows of each stay in one set"
        guesses = [Guess("group", group.name, why)]
    if "validation" not in given:
        of = f"about {round(validation * rows):,} of {rows:,} rows"
        guesses.append(Guess("validation", validation, f"{of}: used to choose the model"))
    if "test" not in given:
        last = "" if time or group or part else '; split = "last" takes the last rows'
        guesses.append(Guess("test", test, f"about {round(test * rows):,}: used only for the scores{last}"))
    return guesses


def _why_time(group: SampledColumn | None) -> str:
    """Return why the rows are split by this time, and not by group, with the settings for the latter."""
    if not group:
        return "chosen by its name"
    name = toml_value(group.name)
    return (
        f"chosen by its name. Rows of one {name} may be in several sets; to test on new ones only, write "
        f'split = "random", group = {name} and ingest.metadata = [{name}] instead'
    )


def _parts(column: SampledColumn) -> set[str]:
    return {PARTS[str(cell).lower()] for cell in column.cells.dropna().unique()}


def _times(column: SampledColumn) -> "pd.Series[pd.Timestamp]":
    return pd.to_datetime(as_text(column.cells), format="ISO8601", utc=True)


def _has_all_classes(time: SampledColumn, classes: SampledColumn) -> bool:
    """Return whether all classes occur both among the newest rows and before them."""
    cells = classes.cells.iloc[_times(time).argsort(kind="stable")].dropna()
    newest = round(_NEWEST_SHARE * len(cells))
    return set(cells[:-newest]) == set(cells[-newest:])


def _names_groups(column: SampledColumn) -> bool:
    """Return whether a column is named like a person or group, and most of its values name several rows."""
    if _GROUP_WORDS.isdisjoint(column.words) or not column.words <= _GROUP_WORDS | _FILLER_WORDS:
        return False
    if column.numbers is not None and not (column.numbers.dropna() % 1 == 0).all():
        return False
    counts = column.cells.value_counts()
    grouped = counts[counts > 1].sum() >= _MIN_GROUPED_SHARE * len(column.cells)
    return bool(grouped and len(counts) >= _MIN_GROUPS and counts.iloc[0] <= _MAX_GROUP_SHARE * len(column.cells))
