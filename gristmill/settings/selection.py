"""The model `kind = "auto"`, which trains several candidates, and the table `select`, which limits what is exported."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from gristmill.settings.base import PositiveFloat, PositiveInt, Settings

Preset = Literal["quick", "good", "best", "none"]
CandidateText = str | dict[str, dict[str, Any]]
"""A kind, the user's function `file.py:function`, or tables such as `{ model = { kind = "dense" }, train = { … } }`."""


class Auto(Settings):
    """Several candidates, of which the best one or the best weighted average is exported."""

    kind: Literal["auto"]
    preset: Preset = "quick"  # candidates to try: the fastest, good ones, all; none: only those of `candidates`
    candidates: Annotated[tuple[CandidateText, ...], Field(strict=False)] = ()  # more candidates: kinds or tables


class Select(Settings):
    """Limits of the model that `kind = "auto"` selects."""

    weights: dict[str, PositiveFloat] = Field(default_factory=dict)  # fixed weights of candidates; by default, chosen
    max_members: PositiveInt = 5  # maximum number of candidates in the exported model; 1 for the best one alone
    max_size: PositiveFloat | None = None  # maximum size of the exported weights in MB
    max_latency: PositiveFloat | None = None  # maximum milliseconds for one prediction, measured when it is selected


def is_auto(tables: Mapping[str, Any]) -> bool:
    """Return whether a pipeline with these tables selects among candidates."""
    return isinstance(tables["model"], Auto)
