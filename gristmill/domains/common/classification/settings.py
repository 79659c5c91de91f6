"""Settings that all classifiers share."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gristmill.settings.base import Fit, Share

Part = NonNegativeInt | Share  # this many examples, or this share of them


class Train(Fit):
    """How a classifier is trained."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of each label that is spread over all classes
    labels: Literal["integer", "one_hot"] = "integer"  # how they are given to the loss, the same; two classes: binary
    class_weights: Literal["balanced"] | None = None  # each class counts alike, however many examples it has
    stop_accuracy: Share | None = None  # training ends with the epoch whose training accuracy reaches it
    stop_loss: PositiveFloat | None = None  # or whose training loss falls to it
    steps_per_epoch: PositiveInt | None = None  # updates in an epoch; all examples once if not set
