"""Warnings about scores: too good to be true, or a coverage far from its nominal level."""

import math
from collections.abc import Iterable

from gristmill.scores import ByMetric
from gristmill.settings.number_text import format_number

_MAX_R2 = 0.999
_MIN_BASELINE_ACCURACY = 0.95  # with a lower one of a baseline, a perfect model is suspicious

_MAX_COVERAGE_DIFFERENCE = 0.1
_MAX_STANDARD_ERRORS = 2  # a larger difference is not chance


def perfect_score_warnings(
    model: ByMetric, baselines: Iterable[ByMetric], advice: str, one_feature: bool = False
) -> list[str]:
    """Return a warning if R² is above 0.999, or if accuracy is 1 but below 0.95 for the best baseline.

    If the model relies on one feature only, a baseline finds the same leak: the lowest accuracy of a baseline then
    counts, such as that of a constant. The scores are those on the test set. `advice` says what to check.
    """
    accuracies = [scores.get("accuracy") or 0.0 for scores in baselines]
    explained, best = model.get("r2"), max(accuracies, default=1.0)
    if explained is not None and explained > _MAX_R2:
        return [f"an R² of {explained:.5f} on the test set is suspiciously high: {advice}"]
    if model.get("accuracy") == 1 and best < _MIN_BASELINE_ACCURACY:
        baseline = format_number(best, 3)
        return [f"an accuracy of 1 on the test set is suspiciously high (best baseline: {baseline}): {advice}"]
    if model.get("accuracy") == 1 and one_feature and min(accuracies, default=1.0) < _MIN_BASELINE_ACCURACY:
        return [f"an accuracy of 1 on the test set, with one feature only, is suspiciously high: {advice}"]
    return []


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
    if abs(difference) <= round(min(_MAX_COVERAGE_DIFFERENCE, (1 - level) / 2), 9):
        return ""
    if abs(difference) <= _MAX_STANDARD_ERRORS * math.sqrt(level * (1 - level) / independent):
        return f"{covered}; this may be chance"
    return f"{covered}; {low}, so do not rely on them" if difference < 0 else f"{covered}; {high}"
