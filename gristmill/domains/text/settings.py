"""Tables of a text pipeline in `pipelines.toml`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from gristmill.domains.common.classification.settings import Evaluate as ClassifierEvaluate
from gristmill.domains.common.classification.settings import Part
from gristmill.domains.common.classification.settings import Train as ClassifierTrain
from gristmill.settings.arrivals import REPLACED
from gristmill.settings.base import (
    MAX_COUNT,
    AnyShare,
    Column,
    Columns,
    OptionalColumn,
    PositiveFloat,
    PositiveInt,
    Seed,
    Settings,
    Share,
    SourceLocation,
)
from gristmill.settings.data_schema import Bounds, Classes, TableSchema

Length = (
    PositiveInt | Share | Literal["whole"]
)  # tokens; below 1, the share of the training texts that is not truncated


class Ingest(Settings):
    """Meaning of the source's columns, and limits."""

    retired: ClassVar = REPLACED

    text: Column = "text"  # column of texts
    label: Column = "label"  # column of labels
    part: OptionalColumn = None  # column of train, validation or test; not needed for sources with their own parts
    metadata: Columns = ()  # columns that scores can be sliced by
    names: dict[str, str] = Field(default_factory=dict)  # class name of each label in the data: 0 = "dull"
    missing: Literal["error", "drop"] = "error"  # how to handle rows without text or label
    max_characters: PositiveInt = 1_000_000  # maximum length of a text
    min_examples: PositiveInt = 2  # minimum number of texts of a class; classes with fewer are rare
    rare_classes: Literal["keep", "drop", "error"] = "keep"  # only train on rare classes, drop their texts, or fail
    quarantine: AnyShare = 0.0  # maximum share of unusable rows to set aside; with more, a run fails


class Schema(TableSchema):
    """Expectations on the texts: `schemas/NAME.toml`."""

    classes: Classes = Field(default_factory=dict)  # minimum number of texts of each class; other classes are errors
    characters: Bounds = Bounds()  # characters per text


class TokenSettings(Settings):
    """Rules that split texts into tokens; the exported model applies them to raw strings."""

    level: Literal["word", "character", "subword"] = "word"  # unit of a token
    vocabulary: Annotated[int, Field(ge=3, le=MAX_COUNT)] = 10_000  # maximum number of tokens; 0 is padding, 1 unknown
    lower: bool = True  # convert to lower case, so that "LISTEN" and "listen" are one word
    punctuation: Literal["strip", "separate", "keep"] = "strip"  # remove it, make words of it, or keep it in words


class Preprocess(TokenSettings):
    """Tokens, sequences and parts of the texts."""

    words: ClassVar[tuple[str, ...]] = ("none",)

    vocabulary: Annotated[int, Field(ge=3, le=MAX_COUNT)] = 30_000  # maximum number of tokens; 0 is padding, 1 unknown
    length: Length = "whole"  # tokens of a text that networks read, at most; or share of training texts to read whole
    pad: Literal["pre", "post"] = "post"  # side on which short texts are padded
    truncate: Literal["pre", "post"] = "post"  # side on which long texts are truncated
    vectors: SourceLocation = "none"  # file of pretrained word vectors as GloVe and fastText write it, or "none"
    validation: Part = 0.1  # number or share of the other texts, stratified by class; 0 for none
    test: Part = 0.2  # number or share of texts, stratified by class, if the source has no test set
    group: OptionalColumn = None  # metadata column, such as the author; the texts of each value stay in one set
    seed: Seed = 42  # seed of the split

    @field_validator("vectors")
    @classmethod
    def _are_of_words(cls, vectors: str, info: ValidationInfo) -> str:
        if vectors not in cls.words and info.data.get("level", "word") != "word":
            raise ValueError('"none", since only words (level = "word") have vectors in a file')
        return vectors


class Train(ClassifierTrain):
    """Training of the network."""

    batches: Literal["bucketed", "padded"] = "bucketed"  # batch texts of similar length, or pad all to full length


class Evaluate(ClassifierEvaluate):
    """Scores, the decision, and words to look up in the embedding."""

    neighbours: Annotated[tuple[str, ...], Field(strict=False)] = ()  # words whose nearest tokens are shown


class Export(Settings):
    """Export for other programs: a SavedModel, the only format that takes raw strings without gristmill."""

    tolerance: PositiveFloat = 1e-4  # maximum parity difference of a probability
