"""The base of every table in `pipelines.toml`: frozen, strict, and refusing unknown keys.

Settings are hashed as values, so no `settings` module is part of a stage's code closure
(`identity.py`); in return they hold fields and validators only, which a test enforces.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class _PlaceMark:
    """Marks a field that says where data lies."""


Place = Annotated[str, _PlaceMark()]
"""A file or folder, absolute or sought in the project and in `GRISTMILL_DATA`.

Where data lies cannot change a result, so a place is left out of the key; the bytes found there are in it.
"""

Names = Annotated[tuple[str, ...], Field(strict=False)]
Sizes = Annotated[tuple[PositiveInt, ...], Field(strict=False)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Settings(BaseModel):
    """One table of `pipelines.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Fit(Settings):
    """How any network is trained, whatever the domain: Adam under a cosine schedule."""

    epochs: PositiveInt = 50  # at most; all of them where `patience` is not set
    patience: PositiveInt | None = None  # epochs without a better validation loss before stopping
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-3  # at the start; decays along a cosine to zero at the last epoch
    clip_norm: PositiveFloat | None = 1.0  # global gradient norm; keeps recurrent nets from exploding
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42  # of the initial weights, dropout and the order of batches


def places(table: Settings) -> Iterator[tuple[str, str]]:
    """Yield (field, place) for every field of `table` that says where data lies."""
    for name, field in type(table).model_fields.items():
        if any(isinstance(mark, _PlaceMark) for mark in field.metadata):
            yield name, getattr(table, name)


def identity_values(table: Settings) -> dict[str, object]:
    """Return the values of `table` that can change a result: all but its places."""
    return table.model_dump(mode="json", exclude={name for name, _ in places(table)})
