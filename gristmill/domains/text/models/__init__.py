"""Text classifiers: settings classes whose `build(shape)` returns a network from token ids to logits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gristmill.domains.text.tokens import Vectors


@dataclass(frozen=True)
class Shape:
    """Shape of a network from tokens, int32 (batch, up to length), to logits (batch, outputs); token 0 is padding."""

    vocabulary: int  # number of tokens, including padding and unknown
    length: int  # maximum length of a sequence
    classes: int
    vectors: "Vectors | None" = None  # pretrained vector of each token, zeros without one; None without a file

    @property
    def outputs(self) -> int:
        """Number of logits: one for two classes, otherwise one per class."""
        return 1 if self.classes == 2 else self.classes
