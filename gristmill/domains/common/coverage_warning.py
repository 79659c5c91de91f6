"""Warn if the coverage of intervals or prediction sets is far from its nominal level."""

import math

_MAX_DIFFERENCE = 0.1
_STANDARD_ERRORS = 2  # differences beyond so many are not chance


def coverage_warning(covered: str, coverage: float | None, level: float, independent: int, low: str, high: str) -> str:
    """Return a sentence on a coverage far from its `level`; empty if it is close, or None.

    A coverage is far if it differs by more than 10 points, or by more than half of the share that should be outside.
    Whether this may be chance depends on the number of `independent` examples. The standard error assumes that each
    example is covered entirely or not at all, so it is an upper bound.

    Args:
        covered: what was measured, such as `80% prediction intervals cover 65.2% of the values`.
        low: what follows from a coverage that is too low for chance.
        high: what follows from one that is too high.
    """
    difference = 0.0 if coverage is None else round(coverage - level, 9)  # 0.7 - 0.8 is below -0.1 in binary
    if abs(difference) <= round(min(_MAX_DIFFERENCE, (1 - level) / 2), 9):
        return ""
    if abs(difference) <= _STANDARD_ERRORS * math.sqrt(level * (1 - level) / independent):
        return f"{covered}; this may be chance"
    return f"{covered}; {low}, so do not rely on them" if difference < 0 else f"{covered}; {high}"
