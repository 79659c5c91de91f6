"""Proposal for a table: the numeric column to predict, and the columns to predict it from."""

import tempfile
from pathlib import Path

import numpy as np

from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.preprocess import preprocess, why_unresolved
from gristmill.domains.tabular.settings import Ingest, Preprocess
from gristmill.errors import DataError, RequestError
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import Guess, Proposal, values_of
from gristmill.scaffold.shared_guesses import auto_guesses
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.target_column import choose_target, leak_notes, unused_notes

_MIN_ROWS = 10
_SMALL_TABLE = 300  # rows


def propose(data: Data, target: str | None) -> Proposal:
    """Return a pipeline that predicts a numeric column from the other columns."""
    table = read_table(data)
    has_numbers = any(column.numbers is not None for column in table.columns.values())
    table = table.with_words_as_numbers([target or ""] if target or has_numbers else table.columns)
    _check_not_classes(table, target)
    chosen, why = choose_target(table, target, set(), first=False)
    inputs = [column for column in table.columns.values() if column is not chosen and not column.why_useless]
    if said := _why_unresolved(chosen):
        raise DataError(
            f"{table.rows.name}: column {chosen.name!r} {said}. Subtract a constant from it in source.prepare, or "
            "choose another with --target."
        )
    unused = {column.name: said for column in inputs if (said := _why_unresolved(column))}
    numbers = [column for column in inputs if column.numbers is not None and column.name not in unused]
    texts = [column for column in inputs if column.numbers is None]
    categories = [column for column in texts if column.is_category and not column.why_not_numbers]
    if not numbers and not categories:
        reasons = " ".join(unused_notes(table, {chosen.name}, unused)) or "There is no other column."
        raise DataError(f"{table.rows.name}: no column to predict {chosen.name!r} from. {reasons}")
    columns = _columns(Guess("target", chosen.name, why), numbers, categories, table)
    sizes = _sizes(len(table.rows.frame))
    _try_stages(table, columns, sizes)
    tables = {"source": table.guesses, "ingest": columns, "preprocess": sizes, "model": auto_guesses("tabular")}
    notes = unused_notes(table, {column.name for column in (chosen, *numbers, *categories)}, unused)
    notes += leak_notes(chosen, [*numbers, *categories])
    if chosen.distinct == 2:
        note = f"{chosen.name!r} holds two values: it is predicted as a number, because no domain classifies tables."
        notes = [note, *notes]
    return Proposal("tabular", f"{chosen.name} of {data.name}: {table.summary}", tables, notes)


def _why_unresolved(column: SampledColumn) -> str:
    numbers = column.numbers
    return "" if numbers is None else why_unresolved(np.asarray(numbers.dropna(), np.float64))


def _check_not_classes(table: SampledTable, target: str | None) -> None:
    column = table.columns.get(target) if target else None
    if column and column.numbers is None and column.is_category and column.first_bad is None:
        raise RequestError(
            f"--target {target}: {column.distinct} classes, but no domain classifies tables. Choose a numeric column, "
            "or write two classes as 0 and 1 to predict a probability."
        )


def _columns(
    target: Guess, numbers: list[SampledColumn], categories: list[SampledColumn], table: SampledTable
) -> list[Guess]:
    """Return the table `ingest`."""
    guesses = [target]
    if numbers:
        guesses.append(Guess("numbers", [column.name for column in numbers], "remove those that contain the target"))
    if categories:
        values = max(column.distinct for column in categories)
        names = [column.name for column in categories]
        guesses.append(Guess("categories", names, f"text, at most {values} different values"))
    used = [target.value, *(column.name for column in (*numbers, *categories))]
    empty = np.any([table.column(name).cells.isna() for name in used], axis=0).sum()
    if empty:
        guesses.append(Guess("missing", "drop", f"rows with an empty cell: {empty:,} of {len(table.rows.frame):,}"))
    return guesses


def _sizes(rows: int) -> list[Guess]:
    """Return the table `preprocess`."""
    validation, test = (0.2, 0.25) if rows < _SMALL_TABLE else (0.1, 0.2)
    last = 'split = "last" takes the last'
    return [
        Guess("validation", validation, f"about {round(validation * rows):,} of {rows:,} rows: choices are made on it"),
        Guess("test", test, f"about {round(test * rows):,}: scored, never trained on; {last}"),
    ]


def _try_stages(table: SampledTable, columns: list[Guess], sizes: list[Guess]) -> None:
    """Run ingest and preprocess on the table, which raise an error if the table does not suit them."""
    settings = Ingest.model_validate(values_of(columns))
    if len(table.rows.frame) < _MIN_ROWS:
        raise DataError(f"{table.rows.name}: {len(table.rows.frame)} rows are too few. Expected at least {_MIN_ROWS}.")
    with tempfile.TemporaryDirectory() as name:
        ingested, prepared = Path(name), Path(name, "preprocess")
        prepared.mkdir()
        ingest(source=table.source, ingest=settings, out=ingested, paths=table.files)
        preprocess(preprocess=Preprocess.model_validate(values_of(sizes)), ingest=ingested, out=prepared)
