"""Tables of a generation pipeline in `pipelines.toml`."""

from typing import Annotated, Literal

from pydantic import Field

from gristmill.domains.text.settings import TokenSettings
from gristmill.settings.base import AnyShare, Fit, PositiveFloat, PositiveInt, Seed, Settings, Share
from gristmill.settings.data_schema import Bounds, Expectations
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.selection import Select

Temperatures = Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)]


class Ingest(Settings):
    """Limits on the texts."""

    max_characters: PositiveInt = 20_000_000  # maximum total length; n-grams take up to 100 bytes per character
    max_lost: AnyShare = 0.05  # maximum share of the last successful run's data that may be missing before a run fails


class Schema(Expectations):
    """Expectations on the texts: `schemas/NAME.toml`."""

    characters: Bounds = Bounds()  # characters per text


class Preprocess(TokenSettings):
    """Tokens, examples and parts."""

    level: Literal["word", "character", "subword"] = "character"  # unit of a token
    lower: bool = False  # convert to lower case; generated text is then lower case too
    punctuation: Literal["strip", "separate", "keep"] = "separate"  # remove it, make words of it, or keep it in words
    examples: Literal["windows", "prefixes"] = "windows"  # windows of the stream, or all prefixes of each line
    length: PositiveInt = 100  # tokens of a window, or of the longest prefix
    validation: Share = 0.05  # share of the text, before the test set; selects the epoch
    test: Share = 0.1  # share of the text at its end, used for scores only


class Train(Fit):
    """Training of the network."""

    steps_per_epoch: PositiveInt | None = None  # updates per epoch, at most; by default, all examples once


class Evaluate(Settings):
    """Order of the n-gram baseline, and samples to generate."""

    order: Annotated[int, Field(ge=2, le=12)] = 6  # tokens of an n-gram, including the predicted one
    temperatures: Temperatures = (0.5, 0.8, 1.0)  # sampling temperatures; one sample for each
    prompt: str = ""  # text that samples continue; if empty, the beginning of the test set
    sample: PositiveInt = 400  # number of tokens of a sample
    seed: Seed = 42  # seed of the samples


class Export(Settings):
    """Export for other programs: a SavedModel that continues a prompt."""

    tolerance: PositiveFloat = 1e-4  # maximum parity difference of a probability


TABLES: dict[str, type[Settings] | str | tuple[str, ...]] = {
    "source": "gristmill.sources.documents",
    "ingest": Ingest,
    "preprocess": Preprocess,
    "model": "gristmill.domains.generation.models",
    "train": Train,
    "select": Select,
    "evaluate": Evaluate,
    "export": Export,
    "gate": Gate,
    "schedule": Schedule,
}
"""Table name to its settings class, or to the packages that offer its kinds."""
