"""How fast a network learns."""

from gristmill.scaffold.proposal import Guess


def pace(batch_size: int, learning_rate: float) -> list[Guess]:
    """Return the settings of the steps of a training."""
    return [
        Guess("batch_size", batch_size, "for each step: larger is quicker, smaller often better on few"),
        Guess("learning_rate", learning_rate, "of Adam: less where the loss jumps"),
    ]
