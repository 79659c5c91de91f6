"""Tables of a generation pipeline in `pipelines.toml`."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gristmill.domains.text.settings import TokenSettings
from gristmill.settings.arrivals import REPLACED
from gristmill.settings.base import Fit, PositiveFloat, PositiveInt, Seed, Settings, Share
from gristmill.settings.data_schema import Bounds, Expectations
from gristmill.settings.domain import Options

Temperatures = Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)]


class Ingest(Settings):
    """Limits on the texts."""

    retired: ClassVar = REPLACED

    max_characters: PositiveInt = 20_000_000  # maximum total length; n-grams take up to 100 bytes per character


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


class PredictOptions(Options):
    """Options of a generated text."""

    prompt: str = ""  # text to continue
    length: int = 400  # number of tokens to generate
    temperature: float = 0.8  # lower values prefer likely tokens; 0 always picks the most likely one
    top_k: int = 0  # number of most likely tokens to sample from; 0 for all
    top_p: float = 1.0  # total probability of the most likely tokens to sample from; 1 for all
    seed: int = 42

    max_served: ClassVar[Mapping[str, int]] = {"length": 10_000}
