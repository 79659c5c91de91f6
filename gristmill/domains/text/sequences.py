"""Token sequences of any length, concatenated in one array; Python lists would take four times the memory."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TokenIds = npt.NDArray[np.int32]  # ids
Starts = npt.NDArray[np.int64]  # (sequences + 1,): the beginning of each, and the end of the last one


@dataclass(frozen=True)
class Sequences:
    """Sequence `i` is `values[starts[i] : starts[i + 1]]`."""

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

    def between(self, begin: int, end: int) -> "Sequences":
        """Return the sequences from `begin` up to, but not including, `end`."""
        starts = self.starts[begin : end + 1]
        return Sequences(self.values[starts[0] : starts[-1]], starts - starts[0])

    def taken(self, order: npt.NDArray[np.int64]) -> "Sequences":
        """Return the sequences at these positions, in this order."""
        lengths = self.lengths[order]
        starts = starts_from_lengths(lengths)
        shift = np.repeat(self.starts[order] - starts[:-1], lengths)
        return Sequences(self.values[np.arange(starts[-1]) + shift], starts)

    def cut(self, length: int, side: str) -> "Sequences":
        """Return the sequences truncated to `length` on one side, pre or post."""
        lengths = np.minimum(self.lengths, length)
        starts = starts_from_lengths(lengths)
        begins = self.starts[1:] - lengths if side == "pre" else self.starts[:-1]
        return Sequences(self.values[np.arange(starts[-1]) + np.repeat(begins - starts[:-1], lengths)], starts)

    def padded(self, width: int, side: str) -> TokenIds:
        """Return the sequences, none longer than `width`, padded with zeros on one side: (sequences, width)."""
        lengths = self.lengths
        padded = np.zeros((len(self), width), np.int32)
        rows = np.repeat(np.arange(len(self)), lengths)
        within = np.arange(len(rows)) - np.repeat(self.starts[:-1] - self.starts[0], lengths)
        shift = np.repeat(width - lengths, lengths) if side == "pre" else 0
        padded[rows, within + shift] = self.values[self.starts[0] : self.starts[-1]]
        return padded


def starts_from_lengths(lengths: npt.NDArray[np.int64]) -> Starts:
    """Return the `starts` of sequences of these lengths."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
