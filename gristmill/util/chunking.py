"""Splitting many items into chunks of about the same size."""

from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby, pairwise
from typing import Any


def split_by_size(sizes: Iterable[float], chunk_size: float) -> list[slice]:
    """Return slices of items whose sizes add up to about `chunk_size`; the last item of a chunk may exceed it."""
    *before, _ = accumulate(sizes, initial=0.0)
    begins = [next(places) for _, places in groupby(range(len(before)), key=lambda at: before[at] // chunk_size)]
    return [slice(begin, end) for begin, end in pairwise([*begins, len(before)])]


def in_blocks(items: Any, size: int) -> Iterator[Any]:
    """Yield the items of a sequence or an array, `size` at a time."""
    return (items[begin : begin + size] for begin in range(0, len(items), size))
