"""Warnings about scores that are too good to be true, because an input may contain the target."""

from collections.abc import Iterable

from gristmill.runs.scores import ByMetric
from gristmill.settings.messages import format_number

_MAX_R2 = 0.999
_MIN_BASELINE_ACCURACY = 0.95  # with a lower one of a baseline, a perfect model is suspicious


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
