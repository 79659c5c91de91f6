"""Warnings about scores that are too good to be true, because an input may contain the target."""

from collections.abc import Iterable

from gristmill.runs.scores import ByMetric
from gristmill.settings.messages import format_number

_MAX_R2 = 0.999
_MIN_BASELINE_ACCURACY = 0.95  # of the best baseline; with a lower one, a perfect model is suspicious


def perfect_score_warnings(model: ByMetric, baselines: Iterable[ByMetric], advice: str) -> list[str]:
    """Return a warning if R² is above 0.999, or if accuracy is 1 but below 0.95 for the best baseline.

    The scores are those of the model and of each baseline on the test set. `advice` says what to check.
    """
    explained, best = model.get("r2"), max((scores.get("accuracy") or 0.0 for scores in baselines), default=1.0)
    if explained is not None and explained > _MAX_R2:
        return [f"an R² of {explained:.5f} on the test set is suspiciously high: {advice}"]
    if model.get("accuracy") == 1 and best < _MIN_BASELINE_ACCURACY:
        baseline = format_number(best, 3)
        return [f"an accuracy of 1 on the test set is suspiciously high (best baseline: {baseline}): {advice}"]
    return []
