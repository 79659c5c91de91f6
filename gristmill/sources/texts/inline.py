"""Texts written in `pipelines.toml` itself, such as a course's first examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gristmill.settings.base import Settings
from gristmill.sources.rows import Rows, select_columns

Texts = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Labels = Annotated[tuple[str | int, ...], Field(strict=False, min_length=1)]
PartNames = Annotated[tuple[Literal["train", "validation", "test"], ...], Field(strict=False)]


class Inline(Settings):
    """Texts with their labels and, optionally, their parts."""

    kind: Literal["inline"]
    texts: Texts  # the texts themselves
    labels: Labels  # one for each text
    parts: PartNames = ()  # one for each text, or none at all

    @field_validator("labels", "parts")
    @classmethod
    def _is_as_long_as_texts(cls, items: tuple[str | int, ...], info: ValidationInfo) -> tuple[str | int, ...]:
        count = len(info.data.get("texts", items))
        if len(items) != count and (items or info.field_name == "labels"):
            raise ValueError(f"as many items as texts, {count}, not {len(items)}")
        return items

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns: the text, its label and, where set, its part."""
        return ("text", "label", *(["part"] if self.parts else []))

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the requested columns; rows count from 1."""
        import pandas as pd

        columns = {"text": self.texts, "label": tuple(map(str, self.labels)), "part": self.parts}
        index = pd.RangeIndex(1, len(self.texts) + 1, name="row")
        frame = pd.DataFrame({name: columns[name] for name in self.columns}, index, dtype="str")
        return Rows(select_columns(frame, texts, numbers, "the inline texts"), origin="the inline texts")
