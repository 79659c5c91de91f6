"""Pairs of numbers written in `pipelines.toml` itself, such as a course's first example."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gristmill.settings.base import Number, Settings
from gristmill.sources.rows import Rows, select_columns

Numbers = Annotated[tuple[Number, ...], Field(strict=False, min_length=1)]


class Inline(Settings):
    """Numbers in the columns `x` and `y`."""

    kind: Literal["inline"]
    x: Numbers  # one for each row
    y: Numbers  # one for each row

    @field_validator("y")
    @classmethod
    def _is_as_long_as_x(cls, y: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if len(y) != len(info.data.get("x", y)):
            raise ValueError(f"as many numbers as x, {len(info.data['x'])}, not {len(y)}")
        return y

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the requested columns; rows count from 1."""
        import pandas as pd

        index = pd.RangeIndex(1, len(self.x) + 1, name="row")
        frame = pd.DataFrame({"x": self.x, "y": self.y}, index, dtype="float64")
        return Rows(select_columns(frame, texts, numbers, "the inline numbers"), origin="the inline numbers")
