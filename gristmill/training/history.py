"""The course of a training: what happened from epoch to epoch."""

from dataclasses import dataclass, field
from typing import Any

from gristmill.training.learning_rate import RateTrial


@dataclass
class TrainingHistory:
    """What happened over the epochs; saved in every checkpoint."""

    search: list[RateTrial] = field(default_factory=list)  # of the range test, where the rate was to be found
    learning_rate: float | None = None  # at the start, given or found; None of a network that was not trained by rates
    losses: list[float] = field(default_factory=list)
    val_losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)  # of a classifier, as the losses on training and validation
    val_accuracies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)  # at the start of each epoch
    best_epoch: int = 0  # the epoch whose weights are kept
    waited: int = 0  # epochs since the best one
    stopped: bool = False  # early: by patience, or because a goal was reached
    devices: int = 1  # that it runs on

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "TrainingHistory":
        """Return the course that a checkpoint holds as JSON."""
        return cls(**state | {"search": [RateTrial(*trial) for trial in state["search"]]})
