"""Settings of a vision pipeline in `pipelines.toml`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gristmill.domains.common.classification.settings import Part
from gristmill.settings.arrivals import REPLACED
from gristmill.settings.base import (
    AnyShare,
    ImageSize,
    NonNegativeFloat,
    OptionalColumn,
    PositiveFloat,
    PositiveInt,
    Seed,
    Settings,
)
from gristmill.settings.data_schema import Bounds, Classes, Expectations
from gristmill.settings.domain import Options


class Ingest(Settings):
    """Limits for the photos of the source."""

    retired: ClassVar = REPLACED

    max_pixels: PositiveInt = 50_000_000  # maximum per image; larger images are not decoded and count as unreadable
    corrupt: AnyShare = 0.01  # maximum share of unreadable images before a run fails; they are left out
    min_examples: PositiveInt = 2  # minimum number of photos of a class; classes with fewer are rare
    rare_classes: Literal["keep", "drop", "error"] = "keep"  # only train on rare classes, drop their photos, or fail


class Schema(Expectations):
    """Rules for the photos, in `schemas/NAME.toml`."""

    classes: Classes = Field(default_factory=dict)  # minimum number of photos per class; other classes are errors
    width: Bounds = Bounds()  # pixels
    height: Bounds = Bounds()  # pixels


class Preprocess(Settings):
    """Size, encoding and split of the images."""

    size: ImageSize  # pixels: one number, or [height, width]
    channels: Literal[1, 3] = 3  # 1: grey, 3: colour
    fit: Literal["stretch", "crop", "pad"] = "stretch"  # distort to the size, take the middle, or add black borders
    encoding: Literal["raw", "jpeg"] = "raw"  # storage format; raw is faster to read, jpeg takes an eighth of the space
    validation: Part = 0.1  # validation images to draw if the source has none; they select the epoch; 0 for none
    test: Part = 0.2  # test images to draw if the source has none; used for scores only
    group: OptionalColumn = None  # metadata column of a person or scene, whose images stay in one set
    seed: Seed = 42  # seed of the random split


class Augment(Settings):
    """Random changes of training images, drawn again in every epoch; validation and test images are not changed."""

    rotation: NonNegativeFloat = 0.0  # maximum angle in degrees, in both directions
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.0  # maximum shift, as a share of width and height
    shear: NonNegativeFloat = 0.0  # maximum angle in degrees, in both directions
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0  # maximum zoom in or out, as a share
    horizontal_flip: bool = False  # mirrors half of the images left to right
    vertical_flip: bool = False  # mirrors half of the images top to bottom
    brightness: NonNegativeFloat = 0.0  # maximum change of brightness, as a share of the full range
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0  # maximum change of contrast, as a share
    cutout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # side of a grey square over a random place, as a share
    fill: Literal["nearest", "constant", "reflect", "wrap"] = "nearest"  # source of pixels beyond the edge
    average_flips: bool = False  # average each prediction with that of the mirror image; takes twice the time


class PredictOptions(Options):
    """Options of a prediction of photos."""

    explain: bool = False  # whether to add pictures of what speaks for the predicted class


class Export(Settings):
    """Export for other programs."""

    formats: Annotated[  # export formats; each is reloaded and compared with the scored predictions
        tuple[Literal["saved_model", "keras", "lite", "onnx"], ...], Field(strict=False, min_length=1)
    ] = ("saved_model", "keras")
    tolerance: PositiveFloat = 1e-4  # maximum parity difference of a probability
