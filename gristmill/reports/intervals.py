"""Is the difference between the errors of two models more than chance? An interval of their mean difference.

The models are compared on the same test set, item by item (time, row, text or image), as a retraining compares them.
The interval is that of the bootstrap; values in the order of time are drawn in blocks (`util/block_bootstrap.py`).
"""

from contextlib import suppress
from typing import TYPE_CHECKING

from gristmill.config.domains import domain_of
from gristmill.errors import RequestError
from gristmill.reports.scores import metric_name
from gristmill.runs.retraining_record import CONFIDENCE_LEVEL, Folders
from gristmill.settings.number_text import format_numbers
from gristmill.util.block_bootstrap import confidence_interval

_MAX_PREDICTIONS = 5_000_000  # about 1 GB with ten baselines

if TYPE_CHECKING:
    from gristmill.retraining.gate import Contest


def read_errors(domain: str, folders: Folders) -> "Contest | None":
    """Return the errors of a run's model, as `CHALLENGER`, and of its baselines on each item of the test set.

    Return None for millions of predictions, which would take much memory, and for errors that cannot be compared.
    """
    import pyarrow.parquet as pq

    predictions = folders["evaluate"] / "predictions.parquet"
    if predictions.exists() and pq.read_metadata(predictions).num_rows > _MAX_PREDICTIONS:
        return None
    with suppress(RequestError):
        return domain_of(domain).retraining.load().contest(folders, None)
    return None


def difference_in_words(contest: "Contest | None", name: str, other: str, names: tuple[str, str]) -> str:
    """Return the error of a model minus that of another one with its interval, and whether it could be chance.

    `names` are those of the two models for the reader.
    """
    if contest is None:
        return f"No interval: the errors cannot be paired, or there are more than {_MAX_PREDICTIONS:,} predictions."
    import numpy as np

    differences = contest.differences(name, other)
    if not differences.any():
        return f"On each item of the test set, the errors of {names[0]} and {names[1]} are equal."
    if not np.isfinite(differences).all():
        return "No interval: not all predictions are finite numbers."
    metric, better = metric_name(contest.metric), "negative"
    if contest.metric == "error rate":  # scores of classifiers show the accuracy
        metric, better, differences = "accuracy", "positive", -differences
    interval = confidence_interval(differences, CONFIDENCE_LEVEL, contest.block)
    if interval is None:
        return "The test set is too small to tell whether the difference could be chance."
    mean, low, high = format_numbers([float(differences.mean()), *interval], digits=3)
    method, count = "moving-block bootstrap" if contest.block else "bootstrap", len(differences)
    has_zero = interval[0] <= 0 <= interval[1]
    chance = "contains 0: the difference could be chance" if has_zero else "does not contain 0: chance is unlikely"
    return (
        f"The {metric} of {names[0]} minus that of {names[1]} is {mean} ({better} is better), with a "
        f"{CONFIDENCE_LEVEL:.0%} interval from {low} to {high} ({method}, {count:,} paired errors). "
        f"The interval {chance}."
    )
