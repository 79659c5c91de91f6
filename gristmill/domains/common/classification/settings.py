"""Settings that all classifiers share."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gristmill.settings.base import (
    Columns,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Settings,
    Share,
    TrainOnExamples,
)

Threshold = Share | Literal["f1", "balanced_accuracy"]  # probability, or the metric that chooses it
Part = NonNegativeInt | Share  # number of examples, or their share


class Train(TrainOnExamples):
    """Training of a classifier."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of each label spread evenly over all classes
    labels: Literal["integer", "one_hot"] = "integer"  # label encoding, with equal results; binary for two classes
    class_weights: Literal["balanced"] | None = None  # weight examples so that all classes count equally; omit for none
    stop_accuracy: Share | None = None  # ends training after an epoch with at least this training accuracy
    stop_loss: PositiveFloat | None = None  # ends training after an epoch with at most this training loss
    steps_per_epoch: PositiveInt | None = None  # updates per epoch, at most; an epoch shows no example twice


class Evaluate(Settings):
    """Scores of a classifier, and how it decides."""

    retired: ClassVar = {"baseline_side": "Remove it: baselines need no settings."}

    slices: Columns = ()  # columns, each of whose values gets its own scores
    threshold: Threshold | None = None  # probability above which the second class is predicted, or metric to choose it
    coverage: Share | None = None  # probability that a conformal prediction set contains the true class
