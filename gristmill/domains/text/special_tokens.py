"""Tokens that every vocabulary begins with. This module does not import TensorFlow."""

PADDING, UNKNOWN = 0, 1  # ids
SPECIAL = ["", "[UNK]"]  # the tokens with these ids
