"""The tables of a tabular pipeline in `pipelines.toml`."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from gristmill.settings.base import AnyShare, Column, Columns, Fit, Settings, Share
from gristmill.settings.data_schema import TableSchema
from gristmill.settings.schedule import Gate, Schedule

Part = NonNegativeInt | Share  # this many rows, or this share of them


class Ingest(Settings):
    """What the source's columns mean."""

    target: Column  # the column of numbers to predict
    numbers: Columns = ()  # columns of numbers to predict from
    categories: Columns = ()  # columns of names to predict from
    missing: Literal["error", "drop"] = "error"  # rows with an empty cell
    max_lost: AnyShare = 0.05  # largest share of the last good run's data that may be missing; more stops the run

    @model_validator(mode="after")
    def _name_each_column_once(self) -> "Ingest":
        named = [self.target, *self.numbers, *self.categories]
        if len(named) == 1:
            raise ValueError("numbers or categories name a column at least")
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"each column in one role; {', '.join(map(repr, twice))} is named more than once")
        return self


class Schema(TableSchema):
    """What the rows must hold: `schemas/NAME.toml`."""


class Preprocess(Settings):
    """How rows are split, and numbers standardised."""

    validation: Part = 0.1  # choices are made on it; 0 for none
    test: Annotated[int, Field(gt=0)] | Share = 0.2  # scored, and never fitted or chosen on
    split: Literal["random", "last"] = "random"  # parts drawn by the seed, or the last rows as they stand
    seed: NonNegativeInt = 42  # of the drawing
    scale: Literal["standard", "none"] = "standard"  # numbers and target, to mean 0 and deviation 1 in training


class Train(Fit):
    """How the network is trained."""

    loss: Literal["huber", "mae", "mse"] = "mse"  # on standardised values


class Evaluate(Settings):
    """The yardsticks beside the model's scores: the mean, and least squares on the same columns."""


class Export(Settings):
    """What is written for other programs."""

    formats: Annotated[  # of the model, each of them proved
        tuple[Literal["saved_model", "keras"], ...], Field(strict=False, min_length=1)
    ] = ("saved_model", "keras")
    tolerance: PositiveFloat = 1e-4  # largest parity difference, in deviations of the target's training part


TABLES: dict[str, type[Settings] | str] = {
    "source": "gristmill.sources.tables",
    "ingest": Ingest,
    "preprocess": Preprocess,
    "model": "gristmill.domains.tabular.models",
    "train": Train,
    "evaluate": Evaluate,
    "export": Export,
    "gate": Gate,
    "schedule": Schedule,
}
"""Table name to its class, or to the package that holds one module a `kind`."""
