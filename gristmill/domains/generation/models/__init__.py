"""Next-token models, from token ids to logits: settings classes that `build` an untrained network or `fit` one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Shape of a network on tokens, int32 (batch, up to length); token 0 is padding.

    The network returns logits of the next token: after each token, (batch, length, vocabulary), if `after_each`;
    otherwise after the last one alone, (batch, vocabulary).
    """

    vocabulary: int  # number of tokens, including padding and unknown
    length: int  # maximum length of a sequence
    after_each: bool
