"""What trials came to, and the leaderboard of the points that they belong to: the best by validation first."""

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gristmill.runs.scores import Scores

if TYPE_CHECKING:
    from gristmill.sweeps.trials import SweepPoint, Trial


@dataclass(frozen=True)
class TrialScores:
    """What a trial came to."""

    scores: Scores
    seconds: float  # of training
    parameters: int | None  # of the network; None of a model that has none
    made: str  # when it was scored, ISO 8601
    versions: Mapping[str, str]  # of the libraries that it was scored with

    @property
    def metric(self) -> str:
        return self.scores.metric

    @property
    def validation(self) -> float | None:
        """The score to choose by: of the validation part, or the mean of a backtest's; None where there is neither."""
        if "validation" in self.scores.model:
            return _known(self.scores.validation)
        blocks = self.scores.backtest
        return _known(blocks["forecasters"]["model"][self.metric]["mean"]) if blocks else None

    @property
    def chosen_on(self) -> str:
        """What `validation` is the score of, in words."""
        return "validation" if "validation" in self.scores.model else "backtest"

    @property
    def test(self) -> float | None:
        """The score that tells how good what was chosen is."""
        return _known(self.scores.test)


@dataclass(frozen=True)
class LeaderboardEntry:
    """A point on the leaderboard."""

    point: "SweepPoint"
    outcomes: list[TrialScores]  # of the seeds that came to one
    of: int  # seeds in all

    def mean(self, part: str) -> float | None:
        """Return the mean score over the seeds; None where one is missing."""
        found = self.values(part)
        return statistics.mean(found) if found and len(found) == len(self.outcomes) else None

    def spread(self, part: str) -> float | None:
        """Return the standard deviation over the seeds, of two or more."""
        found = self.values(part)
        return statistics.stdev(found) if len(found) > 1 else None

    def values(self, part: str) -> list[float]:
        """Return the scores of the seeds that have one."""
        return [value for outcome in self.outcomes if (value := getattr(outcome, part)) is not None]

    @property
    def seconds(self) -> float:
        return statistics.mean(outcome.seconds for outcome in self.outcomes)

    @property
    def whole(self) -> bool:
        """Whether every seed came to scores."""
        return len(self.outcomes) == self.of

    def as_json(self, chosen: bool) -> dict[str, Any]:
        """Return it as JSON values, by seed; the test part's are of the point that was chosen alone."""
        parts = ("validation", "test") if chosen else ("validation",)
        return {
            "point": list(self.point.assignments),
            "chosen": chosen,
            "seeds": self.of,
            "mean": {part: self.mean(part) for part in parts},
            "scores": {part: self.values(part) for part in parts},
            "seconds": [outcome.seconds for outcome in self.outcomes],
            "parameters": self.outcomes[0].parameters if self.outcomes else None,
        }


def leaderboard(tried: "Iterable[tuple[Trial, TrialScores | None]]") -> list[LeaderboardEntry]:
    """Return the points of trials that stand side by side, the best by validation first, those without a score last."""
    places = []
    for _, group in itertools.groupby(tried, key=lambda item: item[0].point.assignments):
        found = list(group)
        places.append(LeaderboardEntry(found[0][0].point, [outcome for _, outcome in found if outcome], len(found)))
    better = -1 if any(outcome.scores.higher_is_better for place in places for outcome in place.outcomes) else 1

    def order(place: LeaderboardEntry) -> tuple[bool, float]:
        mean = place.mean("validation")
        return mean is None or not place.whole, math.inf if mean is None else better * mean

    return sorted(places, key=order)


def best(places: list[LeaderboardEntry]) -> LeaderboardEntry | None:
    """Return the point to take: the first one, if all its seeds came to a score."""
    first = places[0]
    return first if first.whole and first.mean("validation") is not None else None


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
