"""Many items cut into stretches, each enough for a worker to be worth its start."""

from collections.abc import Iterable
from itertools import accumulate, groupby, pairwise


def split_by_size(sizes: Iterable[float], some: float) -> list[slice]:
    """Return items in stretches whose sizes make about `some`; the last item of a stretch may be larger."""
    *before, _ = accumulate(sizes, initial=0.0)
    begins = [next(places) for _, places in groupby(range(len(before)), key=lambda at: before[at] // some)]
    return [slice(begin, end) for begin, end in pairwise([*begins, len(before)])]
