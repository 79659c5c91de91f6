"""Token ids: those that every vocabulary begins with, and sequences of them. This module does not import TensorFlow."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]  # (vocabulary, dimensions)
TokenIds = npt.NDArray[np.int32]  # ids
Starts = npt.NDArray[np.int64]  # (sequences + 1,): the beginning of each, and the end of the last one

PADDING, UNKNOWN = 0, 1  # ids
SPECIAL = ["", "[UNK]"]  # the tokens with these ids


@dataclass(frozen=True)
class Sequences:
    """Sequences of any length, concatenated in one array; Python lists would take four times the memory.

    Sequence `i` is `values[starts[i] : starts[i + 1]]`.
    """

    values: TokenIds  # (tokens,)
    starts: Starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, position: int) -> TokenIds:
        if not 0 <= position < len(self):
            raise IndexError(position)  # ends iteration
        return self.values[self.starts[position] : self.starts[position + 1]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of tokens of each sequence: (sequences,)."""
        return np.diff(self.starts)

    @property
    def owners(self) -> npt.NDArray[np.int64]:
        """Position of the sequence that each token is in: (tokens,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def between(self, begin: int, end: int) -> "Sequences":
        """Return the sequences from `begin` up to, but not including, `end`."""
        starts = self.starts[begin : end + 1]
        return Sequences(self.values[starts[0] : starts[-1]], starts - starts[0])

    def taken(self, order: npt.NDArray[np.int64]) -> "Sequences":
        """Return the sequences at these positions, in this order."""
        return self._gathered(self.starts[order], self.lengths[order])

    def truncated(self, length: int, side: str) -> "Sequences":
        """Return the sequences truncated to `length` on one side, pre or post."""
        lengths = np.minimum(self.lengths, length)
        return self._gathered(self.starts[1:] - lengths if side == "pre" else self.starts[:-1], lengths)

    def _gathered(self, begins: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> "Sequences":
        """Return the sequences of these lengths that begin at these positions of `values`."""
        starts = starts_from_lengths(lengths)
        return Sequences(self.values[np.arange(starts[-1]) + np.repeat(begins - starts[:-1], lengths)], starts)


def starts_from_lengths(lengths: npt.NDArray[np.int64]) -> Starts:
    """Return the `starts` of sequences of these lengths."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
