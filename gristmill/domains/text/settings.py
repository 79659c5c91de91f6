"""The tables of a text pipeline in `pipelines.toml`."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gristmill.domains.common.classification.settings import Part
from gristmill.domains.common.classification.settings import Train as ClassifierTrain
from gristmill.settings.base import AnyShare, Column, Columns, OptionalColumn, Settings, Share
from gristmill.settings.data_schema import Bounds, Classes, TableSchema
from gristmill.settings.schedule import Gate, Schedule

Length = PositiveInt | Share  # tokens; below 1 that share of the training texts is not cut


class Ingest(Settings):
    """What the source's columns mean, and what is refused."""

    text: Column = "text"  # column of the texts
    label: Column = "label"  # column of their classes
    part: OptionalColumn = None  # column that says train, validation or test; sources that know parts have their own
    metadata: Columns = ()  # columns that scores may be sliced by
    names: dict[str, str] = Field(default_factory=dict)  # of classes, by what stands for them in the data: 0 = "dull"
    missing: Literal["error", "drop"] = "error"  # rows without text or label
    max_characters: PositiveInt = 1_000_000  # of one text: a longer one is refused
    max_lost: AnyShare = 0.05  # largest share of the last good run's data that may be missing; more stops the run


class Schema(TableSchema):
    """What the texts must hold: `schemas/NAME.toml`."""

    classes: Classes = Field(default_factory=dict)  # the least number of texts of each; there may be no other
    characters: Bounds = Bounds()  # of a text


class TokenSettings(Settings):
    """How texts become tokens; the exported model does the same to raw strings."""

    level: Literal["word", "character", "subword"] = "word"  # what a token is
    vocabulary: Annotated[int, Field(ge=3)] = 10_000  # tokens at most, the most frequent; 0 is padding, 1 unknown
    lower: bool = True  # "LISTEN" and "listen" are one word
    punctuation: Literal["strip", "separate", "keep"] = "strip"  # goes, is words of its own, or stays in words


class Preprocess(TokenSettings):
    """How texts become sequences of tokens, and how they are split."""

    length: Length = 250  # of a sequence at most: a number of tokens, or the share of training texts that are not cut
    pad: Literal["pre", "post"] = "post"  # on which side short texts are filled up
    truncate: Literal["pre", "post"] = "post"  # on which side long ones are cut
    validation: Part = 0.1  # drawn class by class from what is not for test; choices are made on it; 0 for none
    test: Part = 0.2  # drawn class by class where the source has no test part; scored, and never fitted or chosen on
    seed: NonNegativeInt = 42  # of the drawing


class Train(ClassifierTrain):
    """How the network is trained."""

    batches: Literal["bucketed", "padded"] = "bucketed"  # texts of like length together, or all at full length


class Evaluate(Settings):
    """What is scored, and what is looked at."""

    slices: Columns = ()  # columns of the metadata to score by
    neighbours: Annotated[tuple[str, ...], Field(strict=False)] = ()  # words whose nearest ones are shown


class Export(Settings):
    """What is written for other programs: a SavedModel, since it alone can take raw strings without our code."""

    tolerance: PositiveFloat = 1e-4  # largest parity difference of a probability


TABLES: dict[str, type[Settings] | str | tuple[str, ...]] = {
    "source": ("gristmill.sources.tables", "gristmill.sources.texts"),
    "ingest": Ingest,
    "preprocess": Preprocess,
    "model": "gristmill.domains.text.models",
    "train": Train,
    "evaluate": Evaluate,
    "export": Export,
    "gate": Gate,
    "schedule": Schedule,
}
"""Table name to its class, or to the package, or packages, that hold one module a `kind`."""
