"""Proposal for a table: the column to predict, the roles of the other columns, and the split of the rows."""

import tempfile
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.common.classification import labelled
from gristmill.domains.tabular.columns import are_dates, as_text, inputs_of
from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.leaks import Leak, find_leaks
from gristmill.domains.tabular.preprocess import MAX_ENCODED_NAMES, preprocess, why_unresolved
from gristmill.domains.tabular.settings import ANSWER_COLUMNS, Ingest, Preprocess
from gristmill.errors import count_of, short_repr
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import NO_OPTIONS, ForecastOptions, Guess, Proposal, values_of
from gristmill.scaffold.shared_guesses import auto_guesses, list_classes, silenced, spelling_notes
from gristmill.scaffold.table import SampledColumn, SampledTable, read_table
from gristmill.scaffold.target_column import (
    choose_target,
    describe_texts,
    leak_notes,
    left_out_notes,
    named_outcome,
    or_another,
    possible_leak_notes,
)
from gristmill.sources.set_names import PARTS
from gristmill.util.table_io import read_document
from gristmill.util.toml import toml_value

_MIN_ROWS = 10
_MIN_ORDERED, _MIN_CORRELATION, _MAX_SORTED = 50, 0.6, 0.75  # rows, of neighbours, and the share that rise or do not
_MIN_FILLED, _MIN_FILLED_SHARE = 10, 0.02  # cells of a mostly empty input; whether few are filled is often a leak
_TARGET_WORDS = [  # in the names of columns of classes, the most telling first
    *("target", "label", "y", "outcome", "survived", "churn", "churned", "exited", "attrition", "diagnosis"),
    *("species", "risk", "fraud", "spam", "default", "approved", "approve", "admitted", "admit", "converted"),
    *("subscribed", "cancelled", "canceled", "clicked", "purchase", "purchased", "bought", "response", "result"),
    "class",
]
_TARGET_NAMES = {"status", "choice", "vote", "died", "death", "event"}  # of classes, if there is no other word
_CODE_WORDS = {"target", "label", "diagnosis", "species", "class", "category", "type", "kind", "code", "cluster"}
_MAX_CODES, _MAX_UNNAMED_CODES = 10, 5  # different whole numbers that are classes: named like codes, or not
_EVENT_WORDS = {"status", "event", "death", "died", "dead", "cens", "censored", "observed", "failed"}
_DURATION_WORDS = {"time", "duration", "survival", "days", "weeks", "months", "futime"}
_MAX_EVENTS = 4  # different values of what ended a duration
_OTHER_DATE = r"\d{1,4}([./-])\d{1,2}\1\d{1,4}(\D.*)?|(19|20)\d{6}T\d{4,6}"  # 31.01.2024 or 20240131T0900
_TIME_WORDS = {"date", "datum", "datetime", "timestamp", "time", "day", "created", "ordered", "sold", "purchased"}
_TIME_WORDS |= {"booked", "visited", "recorded", "measured", "observed", "invoiced"}
_OTHER_TIME_WORDS = {"birth", "born", "hire", "hired", "due", "expiry", "end", "last", "first", "start", "since"}
_OTHER_TIME_WORDS |= {"joined", "registered", "signup", "updated", "delivery", "delivered", "shipped", "return"}
_GROUP_WORDS = {"customer", "client", "patient", "user", "subject", "person", "member", "participant", "respondent"}
_GROUP_WORDS |= {"household", "visitor", "session", "account", "student", "employee", "player", "speaker", "group"}
_FILLER_WORDS = {"id", "ids", "identifier", "key", "uuid", "no", "nr", "number", "code", "name"}


def propose(data: Data, target: str | None = None, options: ForecastOptions = NO_OPTIONS) -> Proposal:
    """Return a pipeline that predicts a class or a number from the other columns."""
    options.refuse()
    table = read_table(data).with_marks_as_empty()
    if (count := len(table.rows.frame)) < _MIN_ROWS:
        raise table.error(f"only {count_of(count, 'rows')}. Expected at least {_MIN_ROWS}.")
    # Choose the column to predict.
    chosen, why = _choose_target(table, target)
    task = _choose_task(chosen)
    classes = chosen if task.value == "classification" else None
    if not classes and chosen.numbers is not None and (problem := _why_unresolved(chosen.numbers)):
        raise table.error(
            f"column {chosen.name!r} {problem}. Subtract a constant from it in source.prepare, or "
            "choose another with --target."
        )
    names: list[str] = list(as_text(classes.cells.dropna()).unique()) if classes else []
    # Choose the roles of the other columns. Those named like an output of predict are left out.
    part = part_column(table, chosen.name)
    group = None if part else group_column(table, chosen.name)
    taken = [column.name for column in (chosen, part, group) if column]
    by_role, left_out = _choose_roles(table, taken, [*ANSWER_COLUMNS[task.value], *(f"p_{name}" for name in names)])
    leaks = _find_leaks(chosen, by_role, is_class=classes is not None)
    leaking = {name for leak in leaks for name in leak.columns}
    by_role = {role: [column for column in columns if column.name not in leaking] for role, columns in by_role.items()}
    inputs = [column for columns in by_role.values() for column in columns]
    time = None if part else time_column(by_role["dates"], classes)
    if time and group:
        name = toml_value(group.name)
        left_out[group.name] = (
            "identifies groups of rows, which may be in several sets: to test on new groups only, write "
            f'preprocess.split = "random", preprocess.group = {name} and ingest.metadata = [{name}], without time'
        )
    if not inputs:
        reasons = " ".join([*left_out_notes(left_out), *leak_notes(leaks, chosen.name)]) or "There is no other column."
        raise table.error(f"no column to predict {chosen.name!r} from. {reasons}")
    # Write the settings, and try them on the table.
    columns = [Guess("target", chosen.name, why), task, *_role_guesses(by_role)]
    if part:
        columns.append(Guess("part", part.name, "train, validation or test"))
    elif group and not time:
        columns.append(Guess("metadata", [group.name], "kept for the split, not an input"))
    split = split_guesses(table, part, time, group)
    settings = Ingest.model_validate(values_of(columns))
    warning = _try_stages(table, settings, split)
    model = auto_guesses("tabular", ingest=settings)
    tables = {"source": table.guesses, "ingest": columns, "preprocess": split, "model": model}
    # Note what no setting mentions.
    notes = [*filter(None, [warning]), *spelling_notes(chosen.name, names)]
    if chosen.empty:
        notes.append(f"Rows without {chosen.name!r} are left out: {chosen.empty:,} of {len(chosen.cells):,}.")
    notes += [*_mark_notes([chosen, *inputs]), *left_out_notes(left_out)]
    notes += [*leak_notes(leaks, chosen.name), *possible_leak_notes(chosen, inputs)]
    notes += survival_notes(chosen, inputs)
    if not (classes or part or time):
        notes += order_notes(chosen)
    notes += [f"Not used: {name!r}. {error}" for name, error in table.unreadable.items()]
    return Proposal("tabular", f"{chosen.name} of {data.name}: {table.summary}", tables, notes)


def survival_notes(target: SampledColumn, inputs: Sequence[SampledColumn]) -> list[str]:
    """Return a note if the target and an input look like a duration and whether its end was observed."""
    columns = (target, *inputs)
    events = [column for column in columns if column.words & _EVENT_WORDS and 2 <= column.distinct <= _MAX_EVENTS]
    numbers = [column for column in columns if column.numbers is not None and column.distinct > _MAX_EVENTS]
    durations = [column for column in numbers if column.words & _DURATION_WORDS]
    return [
        f"Check: {duration.name!r} may end without an event in rows where {event.name!r} says so (survival data). "
        "This is not modelled: the target is predicted as it is written."
        for event in events[:1]
        for duration in durations[:1]
        if target in (event, duration)
    ]


def order_notes(target: SampledColumn) -> list[str]:
    """Return a note if the numbers of neighbouring rows are alike, as in order of time, but the rows are not sorted."""
    ranks = pd.Series(target.numbers).dropna().rank().to_numpy()
    steps = np.diff(ranks)
    if len(ranks) < _MIN_ORDERED or max((steps >= 0).mean(), (steps <= 0).mean()) > _MAX_SORTED:
        return []
    correlation = np.corrcoef(ranks[1:], ranks[:-1])[0, 1]
    if correlation < _MIN_CORRELATION:
        return []
    return [
        f"Check the domain: {target.name!r} of neighbouring rows is alike (correlation {correlation:.2f}). If the rows "
        'are in order of time, set preprocess.split = "last", or add a column of times for a forecast.'
    ]


def _find_leaks(target: SampledColumn, by_role: Mapping[str, Sequence[SampledColumn]], is_class: bool) -> list[Leak]:
    """Return the leaks among the columns, as they are found in the rows with a target."""
    known = target.cells.notna().to_numpy()
    names = [column.name for column in by_role["numbers"]]
    columns = [column for columns in by_role.values() for column in columns]
    cells = {column.name: column.numbers if column.name in names else as_text(column.cells) for column in columns}
    values = as_text(target.cells) if is_class else target.numbers
    return find_leaks(pd.Series(values)[known], pd.DataFrame(cells, index=target.cells.index)[known], names)


def _try_stages(table: SampledTable, settings: Ingest, split: list[Guess]) -> str:
    """Run ingest and preprocess, which raise an error for an unsuitable table; return a warning of rare classes."""
    if len(inputs_of(settings)) > len(settings.texts):
        settings = settings.model_copy(update={"texts": ()})  # their words need TensorFlow, and fit any table
    with tempfile.TemporaryDirectory() as name:
        ingested, prepared = Path(name), Path(name, "preprocess")
        prepared.mkdir()
        with silenced(labelled.__name__, preprocess.__module__):
            ingest(source=table.source, ingest=settings, out=ingested, paths=table.files)
            preprocess(preprocess=Preprocess.model_validate(values_of(split)), ingest=ingested, out=prepared)
        return str(read_document(ingested / "summary.json").get("warning", ""))


def _choose_target(table: SampledTable, requested: str | None) -> tuple[SampledColumn, str]:
    """Return the column to predict and the reason: requested, named like classes, or the last of numbers.

    Raises:
        DataError: the requested column is unusable, or there is no column to predict.
    """
    if requested is not None:
        column = table.column(requested)
        if column.numbers is None and _choose_task(column).value == "classification":
            # Texts are no classes if they tell nothing, or if there are fewer than two rows per class on average.
            problem = ""
            if column.why_constant:
                value = f", {short_repr(column.cells.dropna().iloc[0])}" if column.distinct == 1 else ""
                problem = f"{column.why_constant}{value}: there is nothing to predict"
            elif 2 * column.distinct > len(column.cells) - column.empty:
                problem = f"holds {column.distinct:,} different texts, too many for {len(column.cells):,} rows"
            if problem:
                raise table.error(f"the column {column.name!r} {problem}. Fix it, or choose another with --target.")
            return column, "as requested"
        return choose_target(table, requested, set(), first=False)
    return _choose_unrequested(table)


def _choose_unrequested(table: SampledTable) -> tuple[SampledColumn, str]:
    """Return the column that is the target by its name or its place among the columns, and the reason."""
    columns = [column for column in table.columns.values() if not column.why_constant]
    classes = [column for column in columns if column.is_category and _choose_task(column).value != "regression"]
    numbers = [column for column in columns if column.cleaned.numbers is not None and not column.is_named_like_id]
    # 1. Classes and numbers may be named like a target.
    words = [(word, column) for word in _TARGET_WORDS for column in reversed(classes) if word in column.words]
    named = [column for _, column in words if not column.is_named_like_id] or [column for _, column in words]
    named += [column for column in classes if column.name.lower() in _TARGET_NAMES]
    outcome = named_outcome(numbers) if numbers and numbers[-1].first_bad is None else None
    # 2. In most public tables, a class in the last column, after numbers, is the target.
    two = [column for column in reversed(classes) if column.numbers is None and column.distinct == 2]
    mostly_numbers = 2 * len(numbers) >= len(columns) - 1
    last = [column for column in classes[-1:] if column is columns[-1] and (mostly_numbers or column in two)]
    if outcome and (outcome is numbers[0] or len(two) > 1):
        last = []  # one of several flags
    # 3. In others, the first column is.
    first = [column for column in two if column is columns[0] and numbers and not outcome]
    likely = [*named, *([outcome] if outcome else []), *last, *first, *two, *reversed(numbers), *reversed(classes)]
    choices = (
        (named, "chosen by its name"),
        (last, f"the last column, {len(columns) - 1} others"),
        (first, f"the first column, {len(columns) - 1} others"),
    )
    for found, why in choices:
        if found:
            return found[0], why + or_another([column for column in likely if column is not found[0]])
    if classes and not numbers:
        return classes[-1], "the last column of classes" + or_another(classes[-2::-1])
    return choose_target(table, None, set(), first=False)


def _choose_task(column: SampledColumn) -> Guess:
    """Return whether the values of a target are classes or numbers, but for a few bad cells, and why."""
    if column.first_bad is not None and (without_bad := _choose_task(column.cleaned)).value == "regression":
        return without_bad
    distinct, numbers = column.distinct, column.numbers
    counts = as_text(column.cells.dropna()).value_counts()
    classes = list_classes({str(name): int(count) for name, count in counts.items()})
    if numbers is None:
        return Guess("task", "classification", classes)
    whole = bool((numbers.dropna() % 1 == 0).all()) and numbers.nunique() == distinct
    if not whole or distinct > _MAX_CODES:
        return Guess("task", "regression", f"{distinct:,} different numbers")
    first, last = int(numbers.min()), int(numbers.max())
    max_codes = _MAX_UNNAMED_CODES if _CODE_WORDS.isdisjoint(column.words) else _MAX_CODES
    codes = first in (0, 1) and last - first + 1 == distinct <= max_codes
    if distinct == 2 or (codes and counts.min() >= 5):
        return Guess("task", "classification", f'{classes}; or "regression"')
    why = f'{distinct} whole numbers from {first} to {last}; if they are classes, "classification"'
    return Guess("task", "regression", why)


def _choose_roles(
    table: SampledTable, others: Sequence[str], reserved: Container[str]
) -> tuple[dict[str, list[SampledColumn]], dict[str, str]]:
    """Return the columns except `others` by role, and why some are left out; no name may be a reserved one."""
    by_role: dict[str, list[SampledColumn]] = {"numbers": [], "categories": [], "dates": [], "texts": []}
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
    return by_role, left_out


def _role_guesses(by_role: Mapping[str, Sequence[SampledColumn]]) -> list[Guess]:
    """Return the settings of the roles, with the number of empty cells."""
    names = max((column.distinct for column in by_role["categories"]), default=0)
    reasons = {
        "numbers": "remove those that reveal the target",
        "categories": f"at most {count_of(names, 'different values')}",
        "dates": "ISO dates: encoded as year, month, weekday and so on",
        "texts": "short texts: encoded by their most frequent words",
    }
    guesses = []
    for role, columns in by_role.items():
        empty = {column.name: column.empty for column in columns if column.empty}
        cells = f"; {count_of(sum(empty.values()), 'empty cells')}" if empty else ""
        if empty:
            name = max(empty, key=lambda name: empty[name])
            cells += f", most in {name!r} ({empty[name]:,})" if len(empty) > 1 else f" in {name!r}"
        if columns:
            guesses.append(Guess(role, [column.name for column in columns], reasons[role] + cells))
    return guesses


def _mark_notes(columns: Iterable[SampledColumn]) -> list[str]:
    """Return a note for each kind of marks, such as NA, that may be values or mark missing ones."""
    names: dict[tuple[str, ...], list[str]] = {}
    for column in columns:
        if column.marks:
            names.setdefault(tuple(sorted(column.marks)), []).append(column.name)
    return [
        f"Check {', '.join(map(repr, marks))} in {', '.join(map(repr, marked))}: kept as a value, but it may mark a "
        "missing one. If it does, add the mark to the source's missing, and the column to its missing_in."
        for marks, marked in names.items()
    ]


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
        why_not = _why_unresolved(column.numbers)
        return "" if why_not else "numbers", why_not
    if column.why_not_numbers:
        return "", f"{column.why_not_numbers} to use it"
    if date_role := _choose_date_role(table, column):
        return date_role
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


def _why_unresolved(numbers: "pd.Series[float]") -> str:
    return why_unresolved(np.asarray(numbers.dropna(), np.float64))


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


def split_guesses(
    table: SampledTable, part: SampledColumn | None, time: SampledColumn | None, group: SampledColumn | None
) -> list[Guess]:
    """Return the table `preprocess`."""
    rows, guesses = len(table.rows.frame), []
    # By time, or by group, or at random.
    if time:
        stamps = _times(time)
        span = f"{stamps.min():%Y-%m-%d} to {stamps.max():%Y-%m-%d}"
        why = 'the newest rows are the test set; "random" draws it instead'
        guesses = [Guess("split", "last", why), Guess("time", time.name, f"chosen by its name: {span}")]
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
        last = "" if time or group or part else '; or split = "last"'
        guesses.append(Guess("test", test, f"about {round(test * rows):,}: used only for the scores{last}"))
    return guesses


def _parts(column: SampledColumn) -> set[str]:
    return {PARTS[str(cell).lower()] for cell in column.cells.dropna().unique()}


def _times(column: SampledColumn) -> "pd.Series[pd.Timestamp]":
    return pd.to_datetime(as_text(column.cells), format="ISO8601", utc=True)
