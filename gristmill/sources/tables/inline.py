"""Pairs of numbers that stand in `pipelines.toml` itself: a course's first example."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gristmill.settings.base import Settings
from gristmill.sources.rows import LARGEST, Rows, refuse_missing

Number = Annotated[float, Field(gt=-LARGEST, lt=LARGEST)]
Numbers = Annotated[tuple[Number, ...], Field(strict=False, min_length=1)]


class Inline(Settings):
    """Numbers in the columns `x` and `y`."""

    kind: Literal["inline"]
    x: Numbers  # a row each
    y: Numbers  # as many

    @field_validator("y")
    @classmethod
    def _is_as_long_as_x(cls, y: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if len(y) != len(info.data.get("x", y)):
            raise ValueError(f"as many numbers as x has, {len(info.data['x'])}, not {len(y)}")
        return y

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the named columns; rows count from 1."""
        import pandas as pd

        wanted = list(dict.fromkeys([*texts, *numbers]))
        refuse_missing("the inline numbers", wanted, ["x", "y"])
        rows = pd.RangeIndex(1, len(self.x) + 1, name="row")
        return Rows(
            pd.DataFrame({"x": self.x, "y": self.y}, rows, dtype="float64")[wanted], called="the inline numbers"
        )
