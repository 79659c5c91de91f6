"""The tables of a generation pipeline in `pipelines.toml`."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gristmill.domains.text.settings import TokenSettings
from gristmill.settings.base import AnyShare, Fit, Settings, Share
from gristmill.settings.data_schema import Bounds, Expectations
from gristmill.settings.schedule import Gate, Schedule

Temperatures = Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)]


class Ingest(Settings):
    """What is refused."""

    max_characters: PositiveInt = 20_000_000  # in all: counting 6 in a row takes up to 100 bytes of memory for each
    max_lost: AnyShare = 0.05  # largest share of the last good run's data that may be missing; more stops the run


class Schema(Expectations):
    """What the texts must be: `schemas/NAME.toml`."""

    characters: Bounds = Bounds()  # of a text


class Preprocess(TokenSettings):
    """How texts become tokens, and what the network sees of them at a time."""

    level: Literal["word", "character", "subword"] = "character"  # what a token is
    vocabulary: Annotated[int, Field(ge=3)] = 10_000  # tokens at most, the most frequent; 0 is padding, 1 unknown
    lower: bool = False  # the network writes as it read
    punctuation: Literal["strip", "separate", "keep"] = "separate"  # of words
    examples: Literal["windows", "prefixes"] = "windows"  # of the whole stream, or all beginnings of each line
    length: PositiveInt = 100  # tokens of a window; the longest prefix
    validation: Share = 0.05  # of the text, before what is for test; the epoch is chosen on it
    test: Share = 0.1  # of the text, its end; scored, and never fitted or chosen on


class Train(Fit):
    """How the network is trained."""

    steps_per_epoch: PositiveInt | None = None  # updates in an epoch; all examples once if not set


class Evaluate(Settings):
    """What is scored, and what is written as a sample."""

    order: Annotated[int, Field(ge=2, le=12)] = 6  # tokens that the count model looks at, the next one among them
    temperatures: Temperatures = (0.5, 0.8, 1.0)  # of the samples
    prompt: str = ""  # that samples go on from; the beginning of the test part if empty
    sample: PositiveInt = 400  # tokens of a sample
    seed: NonNegativeInt = 42  # of the samples


class Export(Settings):
    """What is written for other programs: a SavedModel that takes a prompt and goes on from it."""

    tolerance: PositiveFloat = 1e-4  # largest parity difference of a probability


TABLES: dict[str, type[Settings] | str | tuple[str, ...]] = {
    "source": "gristmill.sources.writings",
    "ingest": Ingest,
    "preprocess": Preprocess,
    "model": "gristmill.domains.generation.models",
    "train": Train,
    "evaluate": Evaluate,
    "export": Export,
    "gate": Gate,
    "schedule": Schedule,
}
"""Table name to its class, or to the package that holds one module a `kind`."""
