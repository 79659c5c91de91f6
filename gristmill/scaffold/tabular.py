"""A look at a table of cases: which column of numbers to predict, from which others."""

import tempfile
from pathlib import Path

import numpy as np

from gristmill.domains.tabular.ingest import ingest
from gristmill.domains.tabular.preprocess import preprocess
from gristmill.domains.tabular.settings import Ingest, Preprocess
from gristmill.errors import DataError, RequestError
from gristmill.scaffold.column import Column
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import Guess, Proposal, values_of
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.target_column import left_out, target_of
from gristmill.scaffold.training_defaults import pace

_LEAST = 10  # rows
_SMALL, _LARGE = 300, 20_000  # rows: below and above them trainings are made otherwise
_STEPS = 4000  # updates in a training, about


def propose(data: Data, target: str | None) -> Proposal:
    """Return a pipeline that predicts a column of numbers from the other columns.

    Raises:
        DataError: there are no numbers, nothing to predict them from, or too few rows.
    """
    table = read_table(data)
    _refuse_classes(table, target)
    chosen, why = target_of(table, target, set(), first=False)
    inputs = [column for column in table.columns.values() if column is not chosen and not column.useless]
    numbers = [column for column in inputs if column.numbers is not None]
    categories = [column for column in inputs if column.numbers is None and column.is_category and not column.spoilt]
    if not numbers and not categories:
        told = " ".join(left_out(table, {chosen.name}, "")) or "There is no other column."
        raise DataError(f"{table.rows.name}: no column to predict {chosen.name!r} from. {told}")
    columns = _columns(Guess("target", chosen.name, why), numbers, categories, table)
    sizes = _sizes(len(table.rows.frame))
    counts = _tried(table, columns, sizes)
    tables = {
        "source": table.guesses,
        "ingest": columns,
        "preprocess": sizes,
        "model": _model(counts["train_rows"]),
        "train": _training(counts["train_rows"]),
    }
    taken = {column.name for column in (chosen, *numbers, *categories)}
    notes = [*_about(chosen), *left_out(table, taken, "")]
    return Proposal("tabular", f"{chosen.name} of {data.called}: {table.seen}", tables, notes)


def _refuse_classes(table: SampledTable, target: str | None) -> None:
    """Refuse a target of names."""
    column = table.columns.get(target) if target else None
    if column and column.numbers is None and column.is_category and column.first_bad is None:
        raise RequestError(
            f"--target {target}: {column.distinct} classes, and no domain here tells classes of tables apart. Name a "
            "column of numbers, or write the classes as 0 and 1 to predict how likely one is."
        )


def _about(target: Column) -> list[str]:
    """Return what is to be said of a target that seems to be of two classes."""
    if target.distinct > 2:
        return []
    return [
        f"{target.name!r} holds two values: it is predicted and scored as a number, for no domain here tells classes "
        "of tables apart."
    ]


def _columns(target: Guess, numbers: list[Column], categories: list[Column], table: SampledTable) -> list[Guess]:
    """Return the table `ingest`."""
    guesses = [target]
    if numbers:
        guesses.append(Guess("numbers", [column.name for column in numbers], "take out what tells the target itself"))
    if categories:
        kinds = max(column.distinct for column in categories)
        guesses.append(Guess("categories", [column.name for column in categories], f"text, of {kinds} kinds at most"))
    used = [target.value, *(column.name for column in (*numbers, *categories))]
    holes = np.any([table.column(name).cells.isna() for name in used], axis=0).sum()
    if holes:
        why = f"rows with an empty cell: {holes:,} of {len(table.rows.frame):,}"
        guesses.append(Guess("missing", "drop", why))
    return guesses


def _sizes(rows: int) -> list[Guess]:
    """Return the table `preprocess`."""
    validation, test = (0.2, 0.25) if rows < _SMALL else (0.1, 0.2)
    return [
        Guess("validation", validation, f"about {round(validation * rows):,} of {rows:,} rows: choices are made on it"),
        Guess("test", test, f'about {round(test * rows):,}: scored, never learnt from; split = "last" takes the last'),
    ]


def _tried(table: SampledTable, columns: list[Guess], sizes: list[Guess]) -> dict[str, int]:
    """Return what ingest and preprocess count of the table."""
    settings = Ingest.model_validate(values_of(columns))
    if len(table.rows.frame) < _LEAST:
        raise DataError(f"{table.rows.name}: {len(table.rows.frame)} rows are too few. Expected {_LEAST} at least.")
    with tempfile.TemporaryDirectory() as folder:
        ingested, prepared = Path(folder, "ingest"), Path(folder, "preprocess")
        ingested.mkdir()
        prepared.mkdir()
        ingest(source=table.source, ingest=settings, out=ingested, paths=table.files)
        parts = Preprocess.model_validate(values_of(sizes))
        return preprocess(preprocess=parts, ingest=ingested, out=prepared)


def _model(rows: int) -> list[Guess]:
    units = [16] if rows < _SMALL else [32, 16]
    return [
        Guess("kind", "dense"),
        Guess("units", units, f"small, for {rows:,} rows; [] is a straight line"),
    ]


def _training(rows: int) -> list[Guess]:
    batch = 16 if rows < _SMALL else 64 if rows < _LARGE else 256
    epochs = min(300, max(20, round(_STEPS * batch / rows)))
    return [
        Guess("epochs", epochs, "at most"),
        Guess("patience", max(5, epochs // 10), "epochs that validation may not get better"),
        *pace(batch, 3e-3),
    ]
