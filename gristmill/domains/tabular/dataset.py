"""Dataset that preprocess writes: rows, their parts, and the encoding that was fitted on the training set."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.folds import Split
from gristmill.util.table_io import read_document, read_table, write_document, write_table

PARTS = ("train", "validation", "test")
MAX_NAMES = 12  # of a category, the most frequent or the worst ones, in tables and pictures

Values = npt.NDArray[np.float64]  # (rows,)
Inputs = npt.NDArray[Any]  # (rows, …) input of a network; structured if it takes several inputs by name


@dataclass(frozen=True)
class Layout:
    """Columns that a network reads, and their encoding; fitted once, used by every stage."""

    target: str
    numbers: list[str]
    categories: dict[str, list[str]]  # sorted names of each categorical column in the training set
    mean: dict[str, float]  # training-set mean of each numeric column and of the target
    deviation: dict[str, float]  # standard deviation of the same columns, never 0

    @property
    def features(self) -> int:
        """Columns of an encoded row: the numbers, then for each category one per name and one for unknown names."""
        return len(self.numbers) + sum(len(names) + 1 for names in self.categories.values())

    def inputs(self, rows: pd.DataFrame) -> Inputs:
        """Return the network's input for some rows."""
        return raw_inputs(rows, self.numbers, list(self.categories))


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
        """The network's input for every row."""
        return self.layout.inputs(self.table)

    def with_split(self, split: Split) -> "Prepared":
        """Return the rows of a split as training and validation set, and all others as the test set."""
        parts = np.full(len(self.parts), "test", "<U10")
        parts[split.fit], parts[split.predict] = "train", "validation"
        return replace(self, parts=parts)


def raw_inputs(rows: pd.DataFrame, numbers: list[str], categories: list[str]) -> Inputs:
    """Return the network's input for some rows.

    Returns:
        float32 (rows, numbers), or text (rows, categories), or with both a structured array (rows,) of the fields
        `numbers` and `categories`.
    """
    given: dict[str, npt.NDArray[Any]] = {}
    if numbers:
        given["numbers"] = rows[numbers].to_numpy(np.float32)
    if categories:
        given["categories"] = rows[categories].to_numpy(object).astype(str)
    if len(given) == 1:
        return next(iter(given.values()))
    inputs = np.empty(len(rows), [(name, values.dtype, values.shape[1:]) for name, values in given.items()])
    for name, values in given.items():
        inputs[name] = values
    return inputs


def by_part(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each non-empty part, by their column `part`, in the order of the parts."""
    parts = {part: rows[rows["part"] == part] for part in PARTS}
    return {part: of_part for part, of_part in parts.items() if len(of_part)}


def write(prepared: Prepared, out: Path) -> None:
    """Write `table.parquet`, `parts.parquet` (separate, since the table may have a column `part`), `layout.json`."""
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
