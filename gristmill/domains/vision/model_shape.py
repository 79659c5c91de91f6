"""The shape of an image classifier, which a model is built to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What a network takes, (batch, height, width, channels) of pixels from 0 to 255, and gives, (batch, outputs)."""

    height: int
    width: int
    channels: int  # 1 for grey, 3 for colour
    classes: int

    @property
    def outputs(self) -> int:
        """Logits: one of the second class where there are two, else one a class."""
        return 1 if self.classes == 2 else self.classes
