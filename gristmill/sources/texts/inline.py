"""Texts that stand in `pipelines.toml` itself: a course's first examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gristmill.settings.base import Settings
from gristmill.sources.rows import Rows, refuse_missing

Texts = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Labels = Annotated[tuple[str | int, ...], Field(strict=False, min_length=1)]
PartNames = Annotated[tuple[Literal["train", "validation", "test"], ...], Field(strict=False)]


class Inline(Settings):
    """Texts and their labels, and their parts where they have any."""

    kind: Literal["inline"]
    texts: Texts  # themselves
    labels: Labels  # as many
    parts: PartNames = ()  # as many, or none

    @field_validator("labels", "parts")
    @classmethod
    def _is_as_long_as_texts(cls, given: tuple[str | int, ...], info: ValidationInfo) -> tuple[str | int, ...]:
        count = len(info.data.get("texts", given))
        if len(given) != count and (given or info.field_name == "labels"):
            raise ValueError(f"as many as there are texts, {count}, not {len(given)}")
        return given

    @property
    def columns(self) -> tuple[str, ...]:
        """The text, its label, its part."""
        return ("text", "label", *(["part"] if self.parts else []))

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the named columns; rows count from 1."""
        import pandas as pd

        wanted = list(dict.fromkeys([*texts, *numbers]))
        refuse_missing("the inline texts", wanted, self.columns)
        columns = {"text": self.texts, "label": [str(label) for label in self.labels]}
        frame = pd.DataFrame(columns | ({"part": self.parts} if self.parts else {}), dtype="str")
        return Rows(frame[wanted].set_axis(pd.RangeIndex(1, len(frame) + 1, name="row")), called="the inline texts")
