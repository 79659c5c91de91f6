"""Proposal for a table: the column to predict, the roles of the other columns, and the split of the rows."""

import logging
import tempfile
from pathlib import Path

import numpy as np

from gristmill.domains.tabular.columns import as_text, inputs_of
from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.preprocess import preprocess, why_unresolved
from gristmill.domains.tabular.settings import ANSWER_COLUMNS, Ingest, Preprocess
from gristmill.errors import DataError, count_of, short_repr
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import NOTHING_ASKED, Asked, Guess, Proposal, values_of
from gristmill.scaffold.shared_guesses import auto_guesses, spelling_notes
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.table_roles import choose_roles
from gristmill.scaffold.table_split import group_column, part_column, split_guesses, time_column
from gristmill.scaffold.table_target import choose_table_target, choose_task
from gristmill.scaffold.target_column import leak_notes, left_out_notes

_MIN_ROWS = 10


def propose(data: Data, target: str | None = None, asked: Asked = NOTHING_ASKED) -> Proposal:
    """Return a pipeline that predicts a class or a number from the other columns."""
    asked.refuse()
    table = read_table(data)
    if (count := len(table.rows.frame)) < _MIN_ROWS:
        raise DataError(f"{table.rows.name}: only {count_of(count, 'rows')}. Expected at least {_MIN_ROWS}.")
    chosen, why = choose_table_target(table, target)
    task = choose_task(chosen)
    if task.value == "regression":
        _check_resolved(table, chosen)
    part = part_column(table, chosen.name)
    group = None if part else group_column(table, chosen.name)
    taken = [column.name for column in (chosen, part, group) if column]
    classes = chosen if task.value == "classification" else None
    names: list[str] = list(as_text(classes.cells.dropna()).unique()) if classes else []
    probabilities = [f"p_{name}" for name in names]
    roles = choose_roles(table, taken, [*ANSWER_COLUMNS[task.value], *probabilities])
    time = None if part else time_column(roles.by_role["dates"], classes)
    if time and group:
        roles.left_out[group.name] = "identifies groups of rows: see preprocess.time"
    if not roles.inputs:
        reasons = " ".join(left_out_notes(roles.left_out)) or "There is no other column."
        raise DataError(f"{table.rows.name}: no column to predict {chosen.name!r} from. {reasons}")
    columns = [Guess("target", chosen.name, why + _without_target(chosen)), task, *roles.guesses()]
    if part:
        columns.append(Guess("part", part.name, "train, validation or test"))
    elif group and not time:
        columns.append(Guess("metadata", [group.name], "kept for the split, not an input"))
    split = split_guesses(table, part, time, group)
    settings = Ingest.model_validate(values_of(columns))
    _try_stages(table, settings, split)
    model = auto_guesses("tabular", ingest=settings)
    tables = {"source": table.guesses, "ingest": columns, "preprocess": split, "model": model}
    notes = [*spelling_notes(chosen.name, names), *_mark_notes(chosen, task)]
    notes += [*left_out_notes(roles.left_out), *leak_notes(chosen, roles.inputs)]
    notes += [f"Not used: {name!r}. {error}" for name, error in table.unreadable.items()]
    return Proposal("tabular", f"{chosen.name} of {data.name}: {table.summary}", tables, notes)


def _check_resolved(table: SampledTable, target: SampledColumn) -> None:
    """Raise `DataError` for a number that varies less than float32 can resolve."""
    if target.numbers is not None and (said := why_unresolved(np.asarray(target.numbers.dropna(), np.float64))):
        raise DataError(
            f"{table.rows.name}: column {target.name!r} {said}. Subtract a constant from it in source.prepare, or "
            "choose another with --target."
        )


def _without_target(target: SampledColumn) -> str:
    """Return how many rows have no target, as an addition to a reason."""
    return f"; rows without it are left out: {target.empty:,} of {len(target.cells):,}" if target.empty else ""


def _mark_notes(target: SampledColumn, task: Guess) -> list[str]:
    """Return a note if a mark such as NA is a class of the target."""
    marks = target.cells[target.cells.notna() & target.unmarked.isna()]
    if task.value == "regression" or marks.empty:
        return []
    return [
        f"The class {short_repr(marks.iloc[0])} of {target.name!r} may mark a missing value "
        f"({count_of(len(marks), 'rows')}): to leave these rows out, empty their cells in source.prepare."
    ]


def _try_stages(table: SampledTable, settings: Ingest, split: list[Guess]) -> None:
    """Run ingest and preprocess on the table, which raise an error if the table does not suit them."""
    if len(inputs_of(settings)) > len(settings.texts):
        settings = settings.model_copy(update={"texts": ()})  # their words need TensorFlow, and fit any table
    with tempfile.TemporaryDirectory() as name:
        ingested, prepared = Path(name), Path(name, "preprocess")
        prepared.mkdir()
        ingest(source=table.source, ingest=settings, out=ingested, paths=table.files)
        logger = logging.getLogger(preprocess.__module__)
        logger.disabled = True  # its warning of a copy of the target repeats a note
        try:
            preprocess(preprocess=Preprocess.model_validate(values_of(split)), ingest=ingested, out=prepared)
        finally:
            logger.disabled = False
