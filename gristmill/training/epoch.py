"""How a training stands at the end of an epoch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One finished epoch."""

    number: int  # from 1
    of: int
    loss: float
    val_loss: float | None
