"""History of a training, epoch by epoch."""

from dataclasses import dataclass, field
from typing import Any

from gristmill.training.learning_rate import RateTrial


@dataclass
class TrainingHistory:
    """Losses, accuracies and learning rates of all epochs; saved in every checkpoint."""

    search: list[RateTrial] = field(default_factory=list)  # the range test; empty with a given learning rate
    learning_rate: float | None = None  # at the start, given or found; None without gradient descent
    losses: list[float] = field(default_factory=list)
    val_losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)  # of a classifier
    val_accuracies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)  # at the start of each epoch
    best_epoch: int = 0  # the epoch whose weights are kept
    waited: int = 0  # epochs since the best one
    stopped: bool = False  # early: by patience, or because a goal was reached
    devices: int = 1

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "TrainingHistory":
        """Return the history that a checkpoint holds as JSON."""
        return cls(**state | {"search": [RateTrial(*trial) for trial in state["search"]]})
