"""Moving-block bootstrap: how sure the mean of values is that depend on their neighbours.

Blocks of consecutive values are drawn with replacement. A block is as long as the cube root of the number of values,
and at least as long as `block`, the number of neighbours that may depend on each other. With a `block` of 0, values are
independent and are drawn one by one. With fewer than five blocks side by side, or a value that is not finite, there is
no result.

Source: Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics 17(3), 1989.
"""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values = npt.NDArray[np.float64]  # (items,), in the order of time if there is one

_DRAWS = 2_000
_MIN_BLOCKS = 5
_SEED = 0


def confidence_interval(values: "Values", level: float, block: int = 1) -> tuple[float, float] | None:
    """Return a confidence interval of the mean; None with too few blocks."""
    import numpy as np

    means = _drawn_means(values, block)
    if means is None:
        return None
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def standard_error(values: "Values", block: int = 1) -> float | None:
    """Return the standard error of the mean; None with too few blocks."""
    means = _drawn_means(values, block)
    return None if means is None else float(means.std())


def independent_blocks(count: int, block: int = 1) -> float:
    """Return the number of blocks that fit side by side into `count` values."""
    return count / _length(count, block)


def _length(count: int, block: int) -> int:
    return max(block, round(math.cbrt(count))) if block else 1


def _drawn_means(values: "Values", block: int) -> "Values | None":
    """Return the means of bootstrap samples, (draws,)."""
    import numpy as np

    count = len(values)
    length = _length(count, block)
    if count < _MIN_BLOCKS * length or not np.isfinite(values).all():
        return None
    sums = np.convolve(values, np.ones(length), mode="valid")  # of each block
    blocks = -(-count // length)
    random: Any = np.random.default_rng(_SEED)
    means: Values = sums[random.integers(0, len(sums), size=(_DRAWS, blocks))].sum(axis=1) / (blocks * length)
    return means
