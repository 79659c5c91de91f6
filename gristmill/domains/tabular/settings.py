"""Settings of a tabular pipeline in `pipelines.toml`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gristmill.settings.arrivals import REPLACED
from gristmill.settings.base import (
    AnyShare,
    Column,
    Columns,
    NonNegativeInt,
    OptionalColumn,
    PositiveFloat,
    PositiveInt,
    Seed,
    Settings,
    Share,
    TrainOnExamples,
)
from gristmill.settings.data_schema import Classes, TableSchema
from gristmill.settings.domain import Options

Part = NonNegativeInt | Share  # number of rows, or their share

_OF_NUMBERS = ("predicted", "because", "base_value")
ANSWER_COLUMNS = {"regression": _OF_NUMBERS, "classification": (*_OF_NUMBERS, "probability", "set")}
"""Columns that a prediction adds to the inputs, by task; for classes, there is also `p_<class>`."""


class Ingest(Settings):
    """Task, and roles of the source's columns. Cells may be empty; rows without a target are left out."""

    retired: ClassVar = REPLACED | {
        "missing": "Empty cells are inputs now, and their rows are kept: remove the key. To drop such rows, use "
        "source.prepare; to limit them, set missing of a column in schemas/PIPELINE.toml."
    }

    target: Column  # column to predict
    task: Literal["regression", "classification"] = "regression"  # predict a number, or a class
    numbers: Columns = ()  # columns of numbers to predict from
    categories: Columns = ()  # columns of categories to predict from, such as names, codes, true and false
    dates: Columns = ()  # columns of ISO dates or times to predict from, such as 2024-03-01 or 2024-03-01T16:30
    texts: Columns = ()  # columns of short texts to predict from; encoded by their most frequent words
    part: OptionalColumn = None  # column that names the set of each row: train, validation or test
    metadata: Columns = ()  # columns to keep without predicting from them, such as preprocess.group
    min_examples: PositiveInt = 2  # minimum number of rows of a class; classes with fewer are rare
    rare_classes: Literal["keep", "drop", "error"] = "keep"  # only train on rare classes, drop their rows, or fail
    quarantine: AnyShare = 0.0  # maximum share of unusable rows to set aside; with more, a run fails

    @model_validator(mode="after")
    def _fit_together(self) -> "Ingest":
        inputs = (*self.numbers, *self.categories, *self.dates, *self.texts)
        named = [self.target, *inputs]
        if not inputs:
            raise ValueError("at least one column in numbers, categories, dates or texts")
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"each column in one role; {', '.join(map(repr, twice))} is named more than once")
        for name in ("min_examples", "rare_classes"):
            if self.task == "regression" and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f'no {name}, which is for classes, or task = "classification"')
        if taken := sorted({*inputs}.intersection(ANSWER_COLUMNS[self.task])):
            raise ValueError(f"names that predictions do not use: rename {taken[0]!r} in source.prepare")
        return self


class Schema(TableSchema):
    """Rules for the rows, in `schemas/NAME.toml`."""

    classes: Classes = Field(default_factory=dict)  # minimum number of rows of each class; other classes are errors


class Preprocess(Settings):
    """Split of the rows, and scaling of the numbers."""

    validation: Part = 0.1  # number or share of rows for choosing the model; 0 for none
    test: PositiveInt | Share = 0.2  # number or share of rows used only for the scores
    split: Literal["random", "last"] = "random"  # random: stratified by class; last: the last rows are the test set
    time: OptionalColumn = None  # column of dates or numbers that orders rows for split = "last"
    group: OptionalColumn = None  # column, such as the customer; all rows with the same value stay in one set
    seed: Seed = 42  # seed of the random split
    scale: Literal["standard", "none"] = "standard"  # standardise numbers and target for networks, or not

    @model_validator(mode="after")
    def _fit_together(self) -> "Preprocess":
        if self.time and self.split != "last":
            raise ValueError('split = "last", because time is set')
        if self.group and self.split == "last":
            raise ValueError('split = "random", because group is set: the last rows may share groups with other rows')
        return self


class Train(TrainOnExamples):
    """Training of a network. Of these settings, other kinds of models use only `class_weights`."""

    loss: Literal["huber", "mae", "mse"] = "mse"  # loss on the standardised target; classes have cross-entropy
    class_weights: Literal["balanced"] | None = None  # weight rows so that all classes count equally; omit for none


class Export(Settings):
    """Export for other programs."""

    formats: Annotated[  # export formats; each is reloaded and compared with the scored predictions
        tuple[Literal["saved_model", "keras"], ...], Field(strict=False, min_length=1)
    ] = ("saved_model", "keras")
    tolerance: PositiveFloat = 1e-4  # maximum parity difference, of a probability or in standard deviations


class PredictOptions(Options):
    """Options of a prediction of rows."""

    explain: bool = False  # whether to add the contribution of each column to each prediction
