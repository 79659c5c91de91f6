"""What a classifier of texts takes and gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The form of a network on tokens: int32 (batch, length or less) to logits (batch, outputs); token 0 is padding."""

    vocabulary: int  # tokens, padding and unknown among them
    length: int  # of a sequence at most
    classes: int

    @property
    def outputs(self) -> int:
        """Logits: one for two classes, else one a class."""
        return 1 if self.classes == 2 else self.classes
