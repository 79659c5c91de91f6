"""Several settings to try: the model `kind = "auto"`, the table `select` that limits what is exported, and `sweep`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from gristmill.settings.base import PositiveFloat, PositiveInt, Repeats, Seed, Settings

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


class Range(Settings):
    """Numbers to draw from; whole numbers if both limits are whole."""

    low: int | float
    high: int | float  # upper limit, included
    log: bool = False  # draw on a logarithmic scale

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if self.low >= self.high:
            raise ValueError("a low below high")
        if self.log and self.low <= 0:
            raise ValueError("a low above 0, since log = true")
        return self


Values = Annotated[tuple[Any, ...], Field(strict=False, min_length=1)]
Tables = Annotated[tuple[dict[str, Any], ...], Field(strict=False, min_length=1)]
Axes = dict[str, Values | Range] | Tables
"""Values to try for some keys of one table, or whole tables."""


class Sweep(Settings):
    """Settings to try; every other key names a table of the pipeline: `model.units = [[128], [512]]`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Axes] = Field(init=False)

    seeds: Repeats = 1  # number of trainings per point, with seeds counted up from train.seed
    draws: Annotated[int, Field(gt=0, le=10_000)] | None = None  # number of random points; every combination if not set
    seed: Seed = 42  # seed of the random draws
    points: Annotated[tuple[dict[str, dict[str, Any]], ...], Field(strict=False)] = ()  # points to try, as listed

    @model_validator(mode="before")
    @classmethod
    def _check_arrays(cls, raw: Any) -> Any:
        """Name the key of a single value; the errors of the union of axis types would not."""
        for table, axes in raw.items():
            for key, axis in axes.items() if table not in cls.model_fields and isinstance(axes, dict) else ():
                if not isinstance(axis, list | tuple | dict) or axis in ([], ()):
                    raise ValueError(f"values to try as {table}.{key} in an array, such as [1, 2]")
        return raw

    @model_validator(mode="after")
    def _check_points_or_axes(self) -> Self:
        if bool(self.points) == bool(self.model_extra):
            raise ValueError("points, or axes such as model.units = [[128], [512]]: one of the two")
        if self.points and self.draws:
            raise ValueError("no draws where points are listed")
        tables = [axes for axes in (self.model_extra or {}).values() if isinstance(axes, dict)]
        if self.draws is None and any(isinstance(axis, Range) for axes in tables for axis in axes.values()):
            raise ValueError("draws, the number of points, since a range is drawn from")
        return self
