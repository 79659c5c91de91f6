"""Scores of trials, and the leaderboard of a sweep's points: the best validation score first."""

import itertools
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from gristmill.scores import are_equal, rank
from gristmill.sweeps.trials import SweepPoint, Trial, TrialScores


@dataclass(frozen=True)
class LeaderboardEntry:
    """One point on the leaderboard."""

    point: SweepPoint
    outcomes: list[TrialScores]  # scores of the seeds that were scored
    seeds: int  # total number of seeds

    def values(self, part: str) -> list[float]:
        """Return the scores (`validation`, `test` or `tie_break`) of the seeds that have one."""
        return [value for outcome in self.outcomes if (value := getattr(outcome, part)) is not None]

    def mean(self, part: str) -> float | None:
        """Return the mean score over the seeds; None if one has no score."""
        values = self.values(part)
        return statistics.mean(values) if values and len(values) == len(self.outcomes) else None

    def spread(self, part: str) -> float | None:
        """Return the standard deviation over the seeds; None for a single one."""
        values = self.values(part)
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def seconds(self) -> float | None:
        """Mean training time."""
        return statistics.mean(outcome.seconds for outcome in self.outcomes) if self.outcomes else None

    @property
    def parameters(self) -> int | None:
        return self.outcomes[0].parameters if self.outcomes else None

    @property
    def is_complete(self) -> bool:
        """Whether every seed was scored."""
        return len(self.outcomes) == self.seeds


def leaderboard(tried: "Iterable[tuple[Trial, TrialScores | None]]") -> list[LeaderboardEntry]:
    """Return the points of adjacent trials, the best validation score first, incomplete points last."""
    entries = []
    for _, group in itertools.groupby(tried, key=lambda item: item[0].point.assignments):
        trials = list(group)
        entries.append(LeaderboardEntry(trials[0][0].point, [scores for _, scores in trials if scores], len(trials)))
    higher = any(outcome.scores.higher_is_better for entry in entries for outcome in entry.outcomes)
    ranked = sorted(entries, key=lambda entry: rank(entry.mean("validation") if entry.is_complete else None, higher))
    tied = equal_to_first(ranked, "validation")
    if _share_tie_break(tied):
        tied.sort(key=lambda entry: rank(entry.mean("tie_break"), higher_is_better=True))
    return [*tied, *ranked[len(tied) :]]


def leaders(entries: list[LeaderboardEntry]) -> list[LeaderboardEntry]:
    """Return the best point, or all points that are equally good; none if no point has a score with all its seeds.

    Of points with equal scores, the best have the highest secondary metric, if all have the same one.
    """
    tied = equal_to_first(entries, "validation")
    return equal_to_first(tied, "tie_break") if _share_tie_break(tied) else tied


def equal_to_first(entries: list[LeaderboardEntry], part: str) -> list[LeaderboardEntry]:
    """Return the complete entries whose mean is that of the first one, except for rounding."""
    scored = [(entry, entry.mean(part)) for entry in entries if entry.is_complete]
    known = [(entry, mean) for entry, mean in scored if mean is not None]
    return [entry for entry, mean in known if are_equal(mean, known[0][1])]


def _share_tie_break(tied: list[LeaderboardEntry]) -> bool:
    """Return whether all points have the same secondary metric, and a score by it."""
    metrics = {outcome.secondary_metric for entry in tied for outcome in entry.outcomes}
    return len(metrics) == 1 and all(entry.mean("tie_break") is not None for entry in tied)
