"""The parts of a schema: what the data of a pipeline must hold. Whatever is left out is not looked at."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, model_validator

from gristmill.settings.base import MessageText, Settings

Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Classes = dict[str, NonNegativeInt]


class Bounds(Settings):
    """Numbers neither below the one nor above the other."""

    min: float | None = None  # the least that is taken
    max: float | None = None  # the largest that is taken

    @model_validator(mode="after")
    def _enclose_something(self) -> "Bounds":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("a min that is not above max")
        return self


class Cells(Bounds):
    """What stands in a column: numbers, or the names of something."""

    type: Literal["number", "integer"] | None = None  # of every cell that is not empty
    values: Names | None = None  # the names there may be
    missing: Annotated[float, Field(ge=0, le=1)] | None = None  # share of the cells that may be empty

    @model_validator(mode="after")
    def _hold_numbers_or_names(self) -> "Cells":
        if self.values is not None and {self.type, self.min, self.max} != {None}:
            raise ValueError("values, or type, min and max: the cells hold names or numbers")
        return self


class Expectations(Settings):
    """What every domain's schema has."""

    file: MessageText  # where the schema stands


class TableSchema(Expectations):
    """What is expected of the columns of a table."""

    columns: dict[str, Cells] = Field(default_factory=dict)
