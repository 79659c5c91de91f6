"""Settings that all classifiers share."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from gristmill.settings.base import Share, TrainOnExamples

Part = NonNegativeInt | Share  # number of examples, or their share


class Train(TrainOnExamples):
    """Training of a classifier."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of each label spread evenly over all classes
    labels: Literal["integer", "one_hot"] = "integer"  # label encoding, with equal results; binary for two classes
    class_weights: Literal["balanced"] | None = None  # weight examples so that all classes count equally; omit for none
    stop_accuracy: Share | None = None  # ends training after an epoch with at least this training accuracy
    stop_loss: PositiveFloat | None = None  # ends training after an epoch with at most this training loss
    steps_per_epoch: PositiveInt | None = None  # updates per epoch; if omitted, an epoch shows all examples once
