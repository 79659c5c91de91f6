"""Dataset that preprocess writes: rows, their parts, and the encoding that was fitted on the training set."""

import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.labelled import LabelledDataset, balanced_weights
from gristmill.domains.common.folds import LearningSet, Positions, Split
from gristmill.domains.common.sampling import sample_positions
from gristmill.errors import RequestError
from gristmill.training.named_arrays import join_arrays
from gristmill.util.table_io import read_document, read_table, write_document, write_table

logger = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")
DATE_PARTS = ("year", "month", "weekday", "hour", "day")
"""Parts of a date: weekday 0 is Monday; `day` is the number of days since 1970-01-01."""
MAX_NAMES = 12  # of a category, the most frequent or the worst ones, in tables and pictures

Values = npt.NDArray[np.float64]  # (rows,), or (rows, classes) if they are probabilities
Inputs = npt.NDArray[Any]  # (rows, …) input of a network; structured if it takes several inputs by name


@dataclass(frozen=True)
class Layout:
    """Columns that a network reads, and their encoding; fitted once, used by every stage."""

    target: str
    numbers: list[str]
    categories: dict[str, list[str]]  # sorted names of each category that occur more than once in the training set
    mean: dict[str, float]  # training-set mean of each number, of each part of a date, and of a target that is a number
    deviation: dict[str, float]  # standard deviation of the same, never 0
    dates: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)  # words of each column of texts
    median: dict[str, float] = field(default_factory=dict)  # of each measure; in place of an empty cell
    missing: list[str] = field(default_factory=list)  # those that are empty in some training rows
    classes: list[str] = field(default_factory=list)  # none if the target is a number
    left_out: dict[str, str] = field(default_factory=dict)  # columns that the model does not read, and why
    ordered: bool = False  # whether later rows validate and test, and rows are in that order
    group: str | None = None  # column whose rows with the same value stay in one set

    @property
    def inputs_by_role(self) -> dict[str, list[str]]:
        """Columns that a network reads, by the name of its input."""
        roles = {"numbers": self.numbers, "categories": [*self.categories], "dates": self.dates, "texts": [*self.texts]}
        return {role: columns for role, columns in roles.items() if columns}

    @property
    def columns(self) -> list[str]:
        """Columns that a network reads."""
        return [name for columns in self.inputs_by_role.values() for name in columns]

    @property
    def measures(self) -> list[str]:
        """Numbers that a network reads, and the parts of dates."""
        return [*self.numbers, *(part for name in self.dates for part in part_names(name))]

    @property
    def features(self) -> int:
        """Columns of an encoded row (`encoder.py`)."""
        names = sum(len(names) + 1 for names in (*self.categories.values(), *self.texts.values()))
        return len(self.measures) + len(self.missing) + names

    @property
    def outputs(self) -> int:
        """Values that a network learns: one for a number and for two classes, otherwise one per class."""
        return len(self.classes) if len(self.classes) > 2 else 1

    def inputs(self, rows: pd.DataFrame) -> Inputs:
        """Return the network's input for some rows."""
        return raw_inputs(rows, self.inputs_by_role)


@dataclass(frozen=True)
class Prepared:
    """Rows ready for training."""

    table: pd.DataFrame  # inputs, target, metadata: in the source's own units, in order of time if they have one
    parts: npt.NDArray[np.str_]  # (rows,): the part of each
    layout: Layout
    groups: Positions | None = None  # (rows,): number of the group that stays in one set
    balanced: bool = False  # whether rows are weighted so that all classes count equally
    names: npt.NDArray[np.object_] | None = None  # (rows,): name of each row in the source, as in messages

    @property
    def ids(self) -> npt.NDArray[Any]:
        """Name of each row in the source, (rows,); its position in the table if an earlier version wrote the table."""
        return np.arange(len(self.table)) if self.names is None else self.names

    def positions(self, ids: "pd.Series[Any]") -> Positions:
        """Return the positions of the rows with some names."""
        return np.asarray(pd.Index(self.ids).get_indexer(pd.Index(ids)), np.int64)

    @property
    def truth(self) -> Values:
        """The target of every row, (rows,): a number, or the position of its class."""
        target = self.table[self.layout.target]
        if not self.layout.classes:
            return np.asarray(target, np.float64)
        return np.asarray(target.map({name: at for at, name in enumerate(self.layout.classes)}), np.float64)

    @property
    def labels(self) -> Positions:
        """The position of the class of every row, (rows,)."""
        return self.truth.astype(np.int64)

    def weights_at(self, rows: Positions) -> Values | None:
        """Return the weights of the rows at some positions, (rows,), if classes are balanced."""
        if not self.balanced:
            return None
        return balanced_weights(self.labels[self.at("train")], len(self.layout.classes))[self.labels[rows]]

    @property
    def inputs(self) -> Inputs:
        """The network's input for every row."""
        return self.layout.inputs(self.table)

    def inputs_at(self, rows: Positions) -> Inputs:
        """Return the network's input for the rows at some positions."""
        return self.layout.inputs(self.table.iloc[rows])

    @property
    def labelled(self) -> LabelledDataset:
        """The rows as examples of classes. An example's `id` is the name of its row in the source."""
        layout = self.layout
        hidden = {*layout.numbers, *layout.dates, *layout.texts, layout.target, "id", "label", "part"}
        shown = [name for name in map(str, self.table) if name not in hidden]
        index = pd.DataFrame({"id": self.ids, "label": self.labels, "part": self.parts})
        return LabelledDataset(pd.concat([index, self.table[shown]], axis=1), layout.classes)

    @property
    def learning_set(self) -> LearningSet:
        """The positions of the training and validation rows."""
        train, validation = self.at("train"), self.at("validation")
        both = np.sort(np.concatenate([train, validation]))
        groups = None if self.groups is None else self.groups[both]
        labels = self.labels[both] if self.layout.classes else None
        return LearningSet(train, validation, labels, groups, self.layout.ordered)

    def at(self, part: str) -> Positions:
        """Return the positions of the rows of a part."""
        return np.flatnonzero(self.parts == part)

    def sample_training(self, limit: int) -> Positions:
        """Return the positions of the training rows, or of a random sample of `limit` of them; sampling is logged."""
        rows = self.at("train")
        if len(rows) > limit:
            logger.info("fitted on a sample of %s of %s rows", f"{limit:,}", f"{len(rows):,}")
        return rows[sample_positions(len(rows), limit, self.labels[rows] if self.layout.classes else None)]

    def check_task(self, task: Literal["regression", "classification"], kind: str, other: str) -> None:
        """Raise a `RequestError` if a kind of model is not for the task of the rows; `other` is the kind that is."""
        received = "classification" if self.layout.classes else "regression"
        if received != task:
            raise RequestError(
                f"model.kind = {kind!r} is for {task}, but ingest.task is {received!r}. Use {other!r}, or another "
                "target."
            )

    def only(self, rows: Positions) -> "Prepared":
        """Return the rows at some positions alone."""
        groups = None if self.groups is None else self.groups[rows]
        table, parts = self.table.iloc[rows].reset_index(drop=True), self.parts[rows]
        return replace(self, table=table, parts=parts, groups=groups, names=self.ids[rows])

    def with_split(self, split: Split) -> "Prepared":
        """Return the rows of a split as training and validation set, and all others as the test set."""
        parts = np.full(len(self.parts), "test", "<U10")
        parts[split.fit], parts[split.predict] = "train", "validation"
        return replace(self, parts=parts)


def raw_inputs(rows: pd.DataFrame, columns: dict[str, list[str]]) -> Inputs:
    """Return a network's input for some rows, given the columns of each of its inputs.

    Returns:
        float32 (rows, columns) for numbers, else texts as objects; or, of several inputs, a structured array (rows,)
        with a field for each.
    """
    dtypes = {role: np.float32 if role == "numbers" else object for role in columns}
    return join_arrays({role: rows[names].to_numpy(dtypes[role]) for role, names in columns.items()})


def part_names(column: str) -> list[str]:
    """Return the names of the numbers of a column of dates."""
    return [f"{column} ({part})" for part in DATE_PARTS]


def date_numbers(cells: "pd.Series[str]") -> pd.DataFrame:
    """Return the parts of ISO dates, NaN where a cell is empty; `encoder.date_parts` is the same in Keras."""
    text = cells.replace("", None)
    days = pd.to_datetime(text.str[:10]).to_numpy("datetime64[D]")
    dates = pd.DatetimeIndex(days)
    hours = text.str[11:13].replace("", "0").astype(float)
    numbers = (dates.year, dates.month, dates.day_of_week, hours, np.where(dates.isna(), np.nan, days.astype(np.int64)))
    pairs = zip(part_names(str(cells.name)), numbers, strict=True)
    columns: dict[str, Any] = {name: np.asarray(values, np.float64) for name, values in pairs}
    return pd.DataFrame(columns, cells.index)


def by_part(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each non-empty part, by their column `part`, in the order of the parts."""
    parts = {part: rows[rows["part"] == part] for part in PARTS}
    return {part: of_part for part, of_part in parts.items() if len(of_part)}


def write(prepared: Prepared, out: Path) -> None:
    """Write `table.parquet`, `parts.parquet` (separate, since the table may have a column `part`), `layout.json`."""
    groups = {} if prepared.groups is None else {"group": prepared.groups}
    write_table(out / "table.parquet", prepared.table)
    write_table(out / "parts.parquet", pd.DataFrame({"row": prepared.ids, "part": prepared.parts} | groups))
    write_document(out / "layout.json", asdict(prepared.layout))


def read(folder: Path) -> Prepared:
    """Read what `write` wrote."""
    rows = read_table(folder / "parts.parquet")
    return Prepared(
        table=read_table(folder / "table.parquet"),
        parts=rows["part"].to_numpy().astype(str),
        layout=Layout(**read_document(folder / "layout.json")),
        groups=rows["group"].to_numpy(np.int64) if "group" in rows else None,
        names=rows["row"].to_numpy(object) if "row" in rows else None,
    )
