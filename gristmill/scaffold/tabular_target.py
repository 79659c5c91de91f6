"""Choice of the column that the others predict, by its name or its place, and whether it holds classes or numbers."""

from collections.abc import Sequence

from gristmill.domains.tabular.columns import as_text
from gristmill.errors import short_repr
from gristmill.scaffold.proposal import Guess
from gristmill.scaffold.shared_guesses import list_classes
from gristmill.scaffold.table import SampledColumn, SampledTable
from gristmill.scaffold.target_column import choose_target, is_usual_input, named_outcome, names_outcome, or_another

_CLASS_WORDS = (  # in the names of columns of classes, the most telling first
    *("target", "label", "y", "outcome", "survived", "churn", "churned", "exited", "attrition", "diagnosis"),
    *("species", "risk", "fraud", "spam", "default", "approved", "approve", "admitted", "admit", "converted"),
    *("subscribed", "cancelled", "canceled", "clicked", "purchase", "purchased", "bought", "response", "result"),
    *("left", "repaid", "readmitted", "returned", "won", "passed", "class"),
)
_STATES = {"status", "choice", "vote", "died", "death", "event"}  # in such names, if there is no other word
_CODE_WORDS = {"target", "label", "diagnosis", "species", "class", "category", "type", "kind", "code", "cluster"}
_MAX_NAMED_CODES = 10  # different whole numbers that are classes if the name says that they are codes
_MAX_CODES = 5  # the same without such a name
_MIN_ROWS_PER_CODE = 5
_EVENT_WORDS = {"event", "death", "died", "dead", "cens", "censored"}
_EVENT_CODE_WORDS = {"status", "observed", "failed"}  # of events if the values are numbers
_DURATION_WORDS = {"time", "duration", "survival", "days", "weeks", "months", "futime"}
_MAX_EVENTS = 3  # different values of what ended a duration


def choose_target_column(table: SampledTable, requested: str | None = None) -> tuple[SampledColumn, str]:
    """Return the column to predict and the reason: requested, or the first by name and place.

    Raises:
        DataError: the requested column is unusable, or there is no column to predict.
    """
    if requested is not None:
        return _requested_target(table, requested)
    columns = [column for column in table.columns.values() if not column.why_constant]
    classes = [column for column in columns if column.is_category and choose_task(column).value != "regression"]
    numbers = [column for column in columns if column.cleaned.numbers is not None and not column.is_named_like_id]
    if classes and not numbers:
        return classes[-1], "the last column of classes" + or_another(classes[-2::-1])
    # Classes may be named like a target. In most public tables, a class in the last column, after numbers, is one.
    named = _named_classes(classes)
    outcome = named_outcome(numbers) if numbers and numbers[-1].first_bad is None else None
    last = _last_class(columns, classes, numbers, outcome)
    two = [column for column in classes if column.distinct == 2 and not is_usual_input(column)]
    states = [column for column in two if names_outcome(column, _STATES) and not outcome]
    flags = [column for column in two if column.numbers is None]
    likely = [*named, *([outcome] if outcome else []), *last, *states, *flags[::-1], *numbers[::-1], *classes[::-1]]
    likely.sort(key=is_usual_input)
    for found, why in (
        (named, "chosen by its name"),
        (last, f"the last column, {len(columns) - 1} others"),
        (states, "chosen by its name"),
    ):
        if found:
            return found[0], why + or_another([column for column in likely if column is not found[0]])
    return choose_target(table, None, set(), first=False)


def _requested_target(table: SampledTable, name: str) -> tuple[SampledColumn, str]:
    """Return the requested column; raise `DataError` if its texts are no classes."""
    column = table.column(name)
    if column.numbers is not None or choose_task(column).value != "classification":
        return choose_target(table, name, set(), first=False)
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


def _named_classes(classes: Sequence[SampledColumn]) -> list[SampledColumn]:
    """Return the classes that are named like a target, the most telling name first, and the last of its columns."""
    found = [column for word in _CLASS_WORDS for column in reversed(classes) if names_outcome(column, {word})]
    whole = [column for column in classes if column.name.lower() in _STATES]
    return [column for column in found if not column.is_named_like_id] or found or whole


def _last_class(
    columns: Sequence[SampledColumn],
    classes: Sequence[SampledColumn],
    numbers: Sequence[SampledColumn],
    outcome: SampledColumn | None,
) -> list[SampledColumn]:
    """Return the last column if it holds classes and the others are mostly numbers, or if it is a flag."""
    last = columns[-1]
    flags = [column for column in classes if column.numbers is None and column.distinct == 2]
    if last not in classes or (outcome and (outcome is numbers[0] or len(flags) > 1)):
        return []  # not classes, or one of several flags
    if is_usual_input(last) and numbers and numbers[-1].first_bad is None:
        return []
    mostly_numbers = 2 * len(numbers) >= len(columns) - 1
    return [last] if mostly_numbers or last in flags else []


def choose_task(column: SampledColumn) -> Guess:
    """Return whether the values of a target are classes or numbers, but for a few bad cells, and why."""
    if column.first_bad is not None and (without_bad := choose_task(column.cleaned)).value == "regression":
        return without_bad
    distinct, numbers = column.distinct, column.numbers
    counts = as_text(column.cells.dropna()).value_counts()
    classes = list_classes({str(name): int(count) for name, count in counts.items()})
    if numbers is None:
        return Guess("task", "classification", classes)
    whole = bool((numbers.dropna() % 1 == 0).all()) and numbers.nunique() == distinct
    if not whole or distinct > _MAX_NAMED_CODES:
        return Guess("task", "regression", f"{distinct:,} different numbers")
    # Codes begin with 0 or 1. A name can say that some of them do not occur.
    first, last = int(numbers.min()), int(numbers.max())
    is_named = not _CODE_WORDS.isdisjoint(column.words)
    are_codes = first in (0, 1) and (is_named or last - first + 1 == distinct <= _MAX_CODES)
    if distinct == 2 or (are_codes and counts.min() >= _MIN_ROWS_PER_CODE):
        return Guess("task", "classification", f'{classes}; or "regression"')
    why = f'{distinct} whole numbers from {first} to {last}; if they are classes, "classification"'
    return Guess("task", "regression", why)


def survival_notes(target: SampledColumn, inputs: Sequence[SampledColumn]) -> list[str]:
    """Return a note if the target and an input look like a duration and whether its end was observed."""
    columns = (target, *inputs)
    few = [column for column in columns if 2 <= column.distinct <= _MAX_EVENTS]
    events = [column for column in few if column.words & _EVENT_WORDS]
    events += [column for column in few if column.numbers is not None and column.words & _EVENT_CODE_WORDS]
    numbers = [column for column in columns if column.numbers is not None and column.distinct > _MAX_EVENTS]
    durations = [column for column in numbers if column.words & _DURATION_WORDS]
    return [
        f"Check: {duration.name!r} may end without an event in rows where {event.name!r} says so (survival data). "
        "This is not modelled: the target is predicted as it is written."
        for event in events[:1]
        for duration in durations[:1]
        if target in (event, duration)
    ]
