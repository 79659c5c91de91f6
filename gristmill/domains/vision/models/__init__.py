"""Image classifiers.

A model is a settings class. A network has a method `build(shape)`, which returns an uncompiled Keras model from pixels
(batch, height, width, channels), 0 to 255, to logits (batch, outputs), with the rescaling inside. A closed-form model
has a method `fit(data)`, which returns a fitted Keras model from uint8 pixels to probabilities (batch, classes).
"""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True)
class Shape:
    """Inputs of a network, pixels (batch, height, width, channels) from 0 to 255, and its outputs, (batch, outputs)."""

    height: int
    width: int
    channels: int  # 1 for grey, 3 for colour
    classes: int

    @property
    def image(self) -> tuple[int, int, int]:
        """Shape of the pixels of one image."""
        return self.height, self.width, self.channels

    def scaled_to(self, side: int) -> Self:
        """Return the shape of the same images with a shorter side of so many pixels."""
        scale = side / min(self.height, self.width)
        return replace(self, height=round(self.height * scale), width=round(self.width * scale))

    @property
    def outputs(self) -> int:
        """Number of logits: one (of the second class) for two classes, otherwise one per class."""
        return 1 if self.classes == 2 else self.classes
