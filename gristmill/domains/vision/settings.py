"""Settings of a vision pipeline in `pipelines.toml`."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from gristmill.domains.common.classification.settings import Part, Train
from gristmill.settings.base import AnyShare, Columns, Pair, Settings
from gristmill.settings.data_schema import Bounds, Classes, Expectations
from gristmill.settings.schedule import Gate, Schedule


class Ingest(Settings):
    """Limits for the photos of the source."""

    max_pixels: PositiveInt = 50_000_000  # of one image; larger ones are not decoded and count as unreadable
    corrupt: AnyShare = 0.01  # largest share of unreadable images, which are left out; more stops the run
    max_lost: AnyShare = 0.05  # largest share of the last good run's photos that may be missing; more stops the run


class Schema(Expectations):
    """Rules for the photos, in `schemas/NAME.toml`."""

    classes: Classes = Field(default_factory=dict)  # minimum number of photos per class; other classes are errors
    width: Bounds = Bounds()  # pixels
    height: Bounds = Bounds()  # pixels


class Preprocess(Settings):
    """Size, encoding and split of the images."""

    size: Pair  # pixels: one number, or [height, width]
    channels: Literal[1, 3] = 3  # 1: grey, 3: colour
    fit: Literal["stretch", "crop", "pad"] = "stretch"  # distort to the size, take the middle, or add black borders
    encoding: Literal["raw", "jpeg"] = "raw"  # in the shards; raw reads faster, jpeg takes an eighth of the space
    validation: Part = 0.1  # images to choose the best epoch on, if the source has no such part; 0 for none
    test: Part = 0.2  # images to score, if the source has no test set; nothing is fitted or chosen on them
    seed: NonNegativeInt = 42  # of the random split


class Augment(Settings):
    """Random changes of training images, drawn anew in every epoch; validation and test images are never changed."""

    rotation: NonNegativeFloat = 0.0  # degrees, both ways
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of width and height, in all directions
    shear: NonNegativeFloat = 0.0  # degrees, both ways
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share, in and out
    horizontal_flip: bool = False  # mirrors half of the images left to right
    vertical_flip: bool = False  # mirrors half of the images top to bottom
    brightness: NonNegativeFloat = 0.0  # share of the full range, up and down
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share, up and down
    fill: Literal["nearest", "constant", "reflect", "wrap"] = "nearest"  # source of pixels beyond the edge


class Evaluate(Settings):
    """Scores by slices, and the linear baseline."""

    slices: Columns = ()  # columns of the source's metadata to score by
    baseline_side: PositiveInt = 8  # pixels a side of the images for the linear baseline


class Export(Settings):
    """Export for other programs."""

    formats: Annotated[  # of the model; each is reloaded and compared with the scored predictions
        tuple[Literal["saved_model", "keras", "lite", "onnx"], ...], Field(strict=False, min_length=1)
    ] = ("saved_model", "keras")
    tolerance: PositiveFloat = 1e-4  # largest difference of a probability allowed


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
"""Each table's class, or the package of its kinds."""
