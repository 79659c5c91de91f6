"""What a network that tells the next token takes and gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The form of a network on tokens, int32 (batch, length or less); token 0 is padding.

    It gives logits of the next token: after each token, (batch, length, vocabulary), where `after_each` is set, else
    after the last one alone, (batch, vocabulary).
    """

    vocabulary: int  # tokens, padding and unknown among them
    length: int  # of a sequence at most
    after_each: bool
