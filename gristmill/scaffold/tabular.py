"""Proposal for a table: the column to predict, the roles of the other columns, and the split of the rows."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from gristmill.domains.common.classification import labelled
from gristmill.domains.tabular.columns import as_text, inputs_of
from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.leaks import Leak, find_leaks
from gristmill.domains.tabular.preprocess import preprocess
from gristmill.domains.tabular.settings import ANSWER_COLUMNS, Ingest, Preprocess
from gristmill.errors import count_of
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import NO_OPTIONS, ForecastOptions, Guess, Proposal, values_of
from gristmill.scaffold.shared_guesses import CORRECT_SPELLING, auto_guesses, silenced, spelling_notes
from gristmill.scaffold.table import SampledColumn, SampledTable, read_table
from gristmill.scaffold.tabular_roles import Roles, choose_roles, why_not_resolved
from gristmill.scaffold.tabular_split import Split, group_column, order_notes, part_column, time_column
from gristmill.scaffold.tabular_target import choose_target_column, choose_task, survival_notes
from gristmill.scaffold.target_column import leak_notes, left_out_notes, possible_leak_notes
from gristmill.util.table_io import read_document

_MIN_ROWS = 10
_ONLY_COLUMN = "There is no other column: add one, or a column of times for a forecast of these values."


def propose(data: Data, target: str | None = None, options: ForecastOptions = NO_OPTIONS) -> Proposal:
    """Return a pipeline that predicts a class or a number from the other columns."""
    options.refuse()
    table = read_table(data).with_marks_as_empty()
    if (count := len(table.rows.frame)) < _MIN_ROWS:
        raise table.error(f"only {count_of(count, 'rows')}. Expected at least {_MIN_ROWS}.")
    # Choose the column to predict.
    chosen, why = choose_target_column(table, target)
    task = choose_task(chosen)
    classes = chosen if task.value == "classification" else None
    if not classes:
        _check_resolution(table, chosen)
    # Choose the roles of the other columns, without those that determine the target.
    part = part_column(table, chosen.name)
    group = None if part else group_column(table, chosen.name)
    roles = _choose_roles(table, task.value, [column for column in (chosen, part, group) if column])
    leaks = _find_leaks(chosen, roles, is_class=classes is not None)
    roles = roles.without({name for leak in leaks for name in leak.columns})
    split = Split(part, group, None if part else time_column(roles.columns["dates"], classes))
    left_out = {**roles.left_out, **split.left_out}
    if not roles.inputs:
        reasons = " ".join([*left_out_notes(left_out), *leak_notes(leaks, chosen.name)]) or _ONLY_COLUMN
        raise table.error(f"no column to predict {chosen.name!r} from. {reasons}")
    # Write the settings, and try them on the table.
    columns = [Guess("target", chosen.name, why), task, *roles.guesses, *split.columns]
    settings = Ingest.model_validate(values_of(columns))
    table = read_table(data).with_marks_as_empty([chosen.name, *(column.name for column in roles.inputs)])
    parts = split.guesses(count)
    warning = _try_stages(table, settings, parts)
    model = auto_guesses("tabular", ingest=settings)
    tables = {"source": table.guesses, "ingest": columns, "preprocess": parts, "model": model}
    # Note what no setting mentions.
    notes = [warning] if warning else []
    notes += _target_notes(chosen, classes)
    notes += [*_mark_notes([chosen, *roles.inputs]), *left_out_notes(left_out)]
    notes += [*leak_notes(leaks, chosen.name), *possible_leak_notes(chosen, roles.inputs)]
    notes += survival_notes(chosen, roles.inputs)
    if not (classes or part or split.time):
        notes += order_notes(chosen, [*table.columns.values()])
    notes += [f"Not used: {name!r}. {error}" for name, error in table.unreadable.items()]
    return Proposal("tabular", f"{chosen.name} of {data.name}: {table.summary}", tables, notes)


def _check_resolution(table: SampledTable, target: SampledColumn) -> None:
    """Raise `DataError` if float32 cannot tell the numbers to predict apart."""
    if target.numbers is not None and (problem := why_not_resolved(target.numbers)):
        raise table.error(
            f"column {target.name!r} {problem}. Subtract a constant from it in source.prepare, or "
            "choose another with --target."
        )


def _choose_roles(table: SampledTable, task: str, taken: Sequence[SampledColumn]) -> Roles:
    """Return the roles of the columns that are not taken; those named like an output of predict have none."""
    reserved = [*ANSWER_COLUMNS[task]]
    if task == "classification":
        reserved += [f"p_{name}" for name in _class_names(taken[0])]
    return choose_roles(table, [column.name for column in taken], reserved)


def _class_names(target: SampledColumn) -> list[str]:
    return list(as_text(target.cells.dropna()).unique())


def _find_leaks(target: SampledColumn, roles: Roles, is_class: bool) -> list[Leak]:
    """Return the leaks among the columns, as they are found in the rows with a target."""
    known = target.cells.notna().to_numpy()
    names = [column.name for column in roles.columns["numbers"]]
    cells = {column.name: column.numbers if column.name in names else as_text(column.cells) for column in roles.inputs}
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


def _target_notes(target: SampledColumn, classes: SampledColumn | None) -> list[str]:
    """Return notes on spellings of classes, and on rows without a target."""
    notes = spelling_notes(_class_names(target) if classes else [], CORRECT_SPELLING, target.name)
    if target.empty:
        notes.append(f"Rows without {target.name!r} are left out: {target.empty:,} of {len(target.cells):,}.")
    return notes


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
