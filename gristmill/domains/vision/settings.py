"""The tables of a vision pipeline in `pipelines.toml`."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from gristmill.domains.common.classification.settings import Part, Train
from gristmill.settings.base import AnyShare, Columns, Pair, Settings
from gristmill.settings.data_schema import Bounds, Classes, Expectations
from gristmill.settings.schedule import Gate, Schedule


class Ingest(Settings):
    """What is taken from the source, and what is refused."""

    max_pixels: PositiveInt = 50_000_000  # of one image, by its header: more is refused before it is decoded
    corrupt: AnyShare = 0.01  # share of images that may be unreadable; they are left out
    max_lost: AnyShare = 0.05  # largest share of the last good run's data that may be missing; more stops the run


class Schema(Expectations):
    """What the photos must be: `schemas/NAME.toml`."""

    classes: Classes = Field(default_factory=dict)  # the least number of photos of each; there may be no other
    width: Bounds = Bounds()  # pixels
    height: Bounds = Bounds()  # pixels


class Preprocess(Settings):
    """How images are decoded, resized and split."""

    size: Pair  # pixels: one number, or [height, width]
    channels: Literal[1, 3] = 3  # grey or colour
    fit: Literal["stretch", "crop", "pad"] = "stretch"  # to the size: distorted, its middle, or with black borders
    encoding: Literal["raw", "jpeg"] = "raw"  # in the shards: raw is read faster, jpeg takes an eighth of the disk
    validation: Part = 0.1  # drawn class by class from what is not for test; choices are made on it; 0 for none
    test: Part = 0.2  # drawn class by class where the source has no test part; scored, and never fitted or chosen on
    seed: NonNegativeInt = 42  # of the drawing


class Augment(Settings):
    """Random changes of each training image, drawn anew in every epoch; validation and test are never changed."""

    rotation: NonNegativeFloat = 0.0  # degrees, either way
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of width and of height, either way
    shear: NonNegativeFloat = 0.0  # degrees, either way
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share, in and out
    horizontal_flip: bool = False  # left for right, of every other image
    vertical_flip: bool = False  # top for bottom, of every other image
    brightness: NonNegativeFloat = 0.0  # share of the full range, either way
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share, more and less
    fill: Literal["nearest", "constant", "reflect", "wrap"] = "nearest"  # what comes in from beyond the edge


class Evaluate(Settings):
    """What is scored, and beside what."""

    slices: Columns = ()  # columns of the source's metadata to score by
    baseline_side: PositiveInt = 8  # pixels a side of the images that the linear baseline sees


class Export(Settings):
    """What is written for other programs."""

    formats: Annotated[  # of the model, each of them proved
        tuple[Literal["saved_model", "keras", "lite", "onnx"], ...], Field(strict=False, min_length=1)
    ] = ("saved_model", "keras")
    tolerance: PositiveFloat = 1e-4  # largest parity difference of a probability


TABLES: dict[str, type[Settings] | str] = {
    "source": "gristmill.sources.images",
    "ingest": Ingest,
    "preprocess": Preprocess,
    "augment": Augment,
    "model": "gristmill.domains.vision.models",
    "train": Train,
    "evaluate": Evaluate,
    "export": Export,
    "gate": Gate,
    "schedule": Schedule,
}
"""Table name to its class, or to the package that holds one module a `kind`."""
