"""Parts of a schema, which defines the required content of a pipeline's data. Nothing else is checked."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gristmill.settings.base import MessageText, NonNegativeInt, Settings

Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Classes = dict[str, NonNegativeInt]


class Bounds(Settings):
    """Range of numbers."""

    min: float | None = None  # smallest number that is accepted
    max: float | None = None  # largest number that is accepted

    @model_validator(mode="after")
    def _enclose_something(self) -> "Bounds":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("a min that is not above max")
        return self


class Cells(Bounds):
    """Cells of a column: numbers, or names."""

    type: Literal["number", "integer"] | None = None  # type of every non-empty cell
    values: Names | None = None  # names that are accepted
    missing: Annotated[float, Field(ge=0, le=1)] | None = None  # share of the cells that may be empty

    @model_validator(mode="after")
    def _hold_numbers_or_names(self) -> "Cells":
        if self.values is not None and {self.type, self.min, self.max} != {None}:
            raise ValueError("values, or type, min and max: the cells hold names or numbers")
        return self


class Expectations(Settings):
    """Base of every domain's schema."""

    file: MessageText  # path of the schema


class TableSchema(Expectations):
    """Expected columns of a table."""

    columns: dict[str, Cells] = Field(default_factory=dict)
