"""History of a training, epoch by epoch."""

from dataclasses import dataclass, field
from typing import Any

from gristmill.training.learning_rate import RateTrial

CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")  # of the training and the validation set; as Keras names them


@dataclass
class TrainingHistory:
    """Curves of all epochs, and what has been decided on them; saved in every checkpoint."""

    search: list[RateTrial] = field(default_factory=list)  # the range test; empty with a given learning rate
    learning_rate: float | None = None  # at the start, given or found; None without gradient descent
    epochs: list[dict[str, float]] = field(default_factory=list)  # measured `CURVES`, and the `rate` at the start
    best_epoch: int = 0  # the epoch whose weights are kept
    waited: int = 0  # epochs since the best one
    stopped: bool = False  # early: by patience, or because a goal was reached
    devices: int = 1

    def curve(self, name: str) -> list[float]:
        """Return a value of every epoch."""
        return [epoch[name] for epoch in self.epochs]

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "TrainingHistory":
        """Return the history that a checkpoint holds as JSON."""
        return cls(**state | {"search": [RateTrial(*trial) for trial in state["search"]]})
