"""The tokens that every vocabulary begins with; told without TensorFlow."""

PADDING, UNKNOWN = 0, 1  # ids
SPECIAL = ["", "[UNK]"]  # the tokens that have these ids, whatever the texts
