"""What preprocess publishes and every later stage reads: the rows, their parts, and what was fitted on training."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.util.table_io import read_document, read_table, write_document, write_table

MODEL = "model"  # the column of the model's predictions, beside those of the baselines
PARTS = ("train", "validation", "test")

Values = npt.NDArray[np.float64]  # (rows,)
Inputs = npt.NDArray[Any]  # (rows, …) what a network takes; structured where it takes several inputs by name


@dataclass(frozen=True)
class Layout:
    """Which columns a network reads, and how they are encoded; fitted once, used by every stage."""

    target: str
    numbers: list[str]
    categories: dict[str, list[str]]  # column to the names in its training part, sorted
    mean: dict[str, float]  # of the training part, of each number and of the target
    deviation: dict[str, float]  # likewise; not 0

    @property
    def features(self) -> int:
        """Columns of an encoded row: the numbers, then of each category one a name and one for unknown names."""
        return len(self.numbers) + sum(len(names) + 1 for names in self.categories.values())


@dataclass(frozen=True)
class Prepared:
    """Rows ready for training."""

    table: pd.DataFrame  # numbers, categories, target: in the source's own order and units
    parts: npt.NDArray[np.str_]  # (rows,): the part of each
    layout: Layout

    @property
    def truth(self) -> Values:
        """The target of every row: (rows,)."""
        return self.table[self.layout.target].to_numpy(np.float64)

    @property
    def inputs(self) -> Inputs:
        """What a network takes of every row."""
        return raw_inputs(self.table, self.layout.numbers, list(self.layout.categories))


def raw_inputs(rows: pd.DataFrame, numbers: list[str], categories: list[str]) -> Inputs:
    """Return what a network takes of some rows.

    Returns:
        float32 (rows, numbers), or text (rows, categories), or of both a structured array (rows,) with these in its
        fields `numbers` and `categories`.
    """
    given: dict[str, npt.NDArray[Any]] = {}
    if numbers:
        given["numbers"] = rows[numbers].to_numpy(np.float32)
    if categories:
        given["categories"] = rows[categories].to_numpy(object).astype(str)
    if len(given) == 1:
        return next(iter(given.values()))
    made = np.empty(len(rows), [(name, values.dtype, values.shape[1:]) for name, values in given.items()])
    for name, values in given.items():
        made[name] = values
    return made


def by_part(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each part that has any, by their column `part`, in the order of the parts."""
    found = {part: rows[rows["part"] == part] for part in PARTS}
    return {part: own for part, own in found.items() if len(own)}


def write(prepared: Prepared, out: Path) -> None:
    """Write `table.parquet`, `parts.parquet` (apart, for a column of the table may be called `part`), `layout.json`."""
    write_table(out / "table.parquet", prepared.table)
    write_table(out / "parts.parquet", pd.DataFrame({"part": prepared.parts}))
    write_document(out / "layout.json", asdict(prepared.layout))


def read(folder: Path) -> Prepared:
    """Read what `write` wrote."""
    return Prepared(
        table=read_table(folder / "table.parquet"),
        parts=read_table(folder / "parts.parquet")["part"].to_numpy().astype(str),
        layout=Layout(**read_document(folder / "layout.json")),
    )
