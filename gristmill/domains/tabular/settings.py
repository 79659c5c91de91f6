"""Settings of a tabular pipeline in `pipelines.toml`."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from gristmill.settings.base import AnyShare, Column, Columns, Settings, Share, TrainOnExamples
from gristmill.settings.data_schema import TableSchema
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select

Part = NonNegativeInt | Share  # number of rows, or their share


class Ingest(Settings):
    """Roles of the source's columns."""

    target: Column  # column of numbers to predict
    numbers: Columns = ()  # columns of numbers to predict from
    categories: Columns = ()  # columns of categories to predict from
    missing: Literal["error", "drop"] = "error"  # how to handle rows with an empty cell
    quarantine: AnyShare = 0.0  # maximum share of unusable rows to set aside; with more, a run fails
    max_lost: AnyShare = 0.05  # maximum share of the last successful run's rows that may be missing before a run fails

    @model_validator(mode="after")
    def _name_each_column_once(self) -> "Ingest":
        named = [self.target, *self.numbers, *self.categories]
        if len(named) == 1:
            raise ValueError("at least one column in numbers or categories")
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"each column in one role; {', '.join(map(repr, twice))} is named more than once")
        return self


class Schema(TableSchema):
    """Rules for the rows, in `schemas/NAME.toml`."""


class Preprocess(Settings):
    """Split of the rows, and scaling of the numbers."""

    validation: Part = 0.1  # rows of the validation set, which selects the epoch; 0 for none
    test: Annotated[int, Field(gt=0)] | Share = 0.2  # rows of the test set, used for scores only
    split: Literal["random", "last"] = "random"  # random: drawn by the seed; last: the last rows, in their order
    seed: NonNegativeInt = 42  # seed of the random split
    scale: Literal["standard", "none"] = "standard"  # standard: numbers and target have mean 0, deviation 1 in training


class Train(TrainOnExamples):
    """Training of the network."""

    loss: Literal["huber", "mae", "mse"] = "mse"  # loss on standardised values


class Evaluate(Settings):
    """Scores of the model and of two baselines: the mean, and least squares on the same columns."""


class Export(Settings):
    """Export for other programs."""

    formats: Annotated[  # export formats; each is reloaded and compared with the scored predictions
        tuple[Literal["saved_model", "keras"], ...], Field(strict=False, min_length=1)
    ] = ("saved_model", "keras")
    tolerance: PositiveFloat = 1e-4  # maximum parity difference, in standard deviations of the training targets


TABLES: dict[str, type[Settings] | str] = {
    "source": "gristmill.sources.tables",
    "ingest": Ingest,
    "preprocess": Preprocess,
    "model": "gristmill.domains.tabular.models",
    "train": Train,
    "select": Select,
    "evaluate": Evaluate,
    "export": Export,
    "gate": Gate,
    "schedule": Schedule,
}
"""Settings class of each table, or the packages that provide its kinds."""
