"""Decision to promote a challenger, from its errors, the champion's and the baselines' on the same new data.

Two questions are answered. Which recipe is better, the champion's or a new selection among the candidates? Both are
fitted on the same data, before the judging window, so like is compared with like. And is the better one, the
challenger, better than the model that serves? That model keeps the weights it serves with.

The better of two equal recipes looks better than it is on the items that it was chosen on. So the difference from the
model that serves is reported from a cross-fit: each half of the items has the recipe that is better on the other half.
The decision is made without it. In replays, decisions by the cross-fit led to slightly larger errors.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, CONFIDENCE_LEVEL, Judgement
from gristmill.scores import Scores
from gristmill.settings.number_text import format_number
from gristmill.settings.schedule import Gate
from gristmill.util.block_bootstrap import confidence_interval, standard_error

Errors = npt.NDArray[np.float64]

_MAX_PIECES = 48

NEW_SELECTION, CHAMPIONS_RECIPE = "new selection", "champion's recipe"  # names in scores of the worse recipe


@dataclass(frozen=True)
class Contest:
    """Errors of all judged models, in the order of time; lower is better."""

    metric: str  # name of the score
    errors: dict[str, Errors]  # (items,) each: of the challenger, the champion if there is one, and every baseline
    block: int = 0  # number of neighbouring items that may depend on each other; 0 if all are independent
    root: bool = False  # whether a score is the root of the mean error: RMSE, from squared errors
    weights: Errors | None = None  # (items,): number of values whose mean is the error, or its cost; None if equal

    def score(self, name: str) -> float:
        """Return the score of a model: its mean error, or the root of that."""
        mean = float(np.average(self.errors[name], weights=self.weights))
        return math.sqrt(mean) if self.root else mean

    def errors_over_time(self, name: str) -> list[float]:
        """Return the scores of a model on at most 48 pieces of the judged items, for a picture."""
        errors, weights = self.errors[name], self.weights
        pieces = np.array_split(np.arange(len(errors)), min(_MAX_PIECES, len(errors)))
        means = np.array([np.average(errors[at], weights=None if weights is None else weights[at]) for at in pieces])
        return [float(f"{mean:.4g}") for mean in (np.sqrt(means) if self.root else means)]

    def halves(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return which items belong to each half: the earlier and the later ones, or every second one if independent.

        Independent items have no order in time, and may be sorted by class.
        """
        positions = np.arange(len(self.errors[CHALLENGER]))
        first = positions < len(positions) // 2 if self.block else positions % 2 == 0
        return first, ~first

    def only(self, items: npt.NDArray[np.bool_]) -> "Contest":
        """Return the contest on some of the items."""
        errors = {name: values[items] for name, values in self.errors.items()}
        return replace(self, errors=errors, weights=None if self.weights is None else self.weights[items])

    def differences(self, name: str, other: str) -> Errors:
        """Return values, (items,), whose mean is the score of a model minus that of another one.

        A difference of roots is the difference of the means over the sum of the roots. Standard errors and intervals
        take that sum as known. A weighted mean is a ratio of sums, whose linear approximation is bootstrapped: each
        deviation from the mean counts by the item's weight.
        """
        differences = self.errors[name] - self.errors[other]
        if self.weights is not None:
            mean = np.average(differences, weights=self.weights)
            differences = mean + (differences - mean) * self.weights / self.weights.mean()
        roots = self.score(name) + self.score(other)
        return differences / roots if self.root and 0 < roots < math.inf else differences


def judge_contest(contest: Contest, gate: Gate, best: str | None, unbiased: Contest | None = None) -> Judgement:
    """Return whether the challenger is promoted, and why, with all scores.

    Args:
        contest: errors of all models.
        gate: conditions for the challenger.
        best: name of the best baseline on earlier data (`best_baseline`).
        unbiased: the contest whose difference is reported, if the challenger was chosen on the judged items.
    """
    promoted, why = _decide(contest, gate, best)
    scores = {name: contest.score(name) for name in contest.errors}
    reported = unbiased or contest
    is_compared = CHAMPION in scores and all(math.isfinite(reported.score(name)) for name in (CHALLENGER, CHAMPION))
    difference = reported.differences(CHAMPION, CHALLENGER) if is_compared else None
    return Judgement(
        metric=contest.metric,
        scores=scores,
        items=len(contest.errors[CHALLENGER]),
        difference=None if difference is None else float(difference.mean()),
        interval=None if difference is None else confidence_interval(difference, CONFIDENCE_LEVEL, contest.block),
        cross_fitted=unbiased is not None,
        best_baseline=best,
        promoted=promoted,
        why=why,
        over_time={name: contest.errors_over_time(name) for name in (CHALLENGER, CHAMPION, best) if name in scores},
    )


def _decide(contest: Contest, gate: Gate, best: str | None) -> tuple[bool, str]:
    """Return whether the challenger is promoted, and why.

    With a champion, the challenger must be better by the gate's margin, a share of the champion's score. A baseline
    never protects a champion that loses to it. A champion whose score is not finite loses to any challenger whose score
    is finite. Without a champion, the challenger may be worse than the best baseline on the same items by at most one
    standard error.
    """
    own = contest.score(CHALLENGER)
    score = f"{contest.metric} {_text(own)}"
    if not math.isfinite(own):
        return False, f"{score}: not all predictions are finite numbers"
    if CHAMPION not in contest.errors:
        return _judge_first(score, contest)
    champion = contest.score(CHAMPION)
    promoted = not math.isfinite(champion) or own < champion * (1 - gate.margin)
    why = f"{score} against the champion's {_text(champion)}" + (f" less {gate.margin:.0%}" if gate.margin else "")
    if promoted and best is not None and own > contest.score(best):
        why += f"; still worse than {best} with {_text(contest.score(best))}"
    return promoted, why


def _judge_first(score: str, contest: Contest) -> tuple[bool, str]:
    """Judge a first model. With too few items for a standard error, the means alone decide."""
    finite = {name: contest.score(name) for name, errors in contest.errors.items() if np.isfinite(errors).all()}
    own = finite.pop(CHALLENGER)
    if not finite:
        return True, f"{score}; there was no champion"
    best = min(finite, key=lambda name: finite[name])
    baseline = f"{best} with {_text(finite[best])}"
    if own <= finite[best]:
        return True, f"{score}, not worse than {baseline}; there was no champion"
    error = standard_error(contest.differences(CHALLENGER, best), contest.block)
    if error is None:
        return False, f"{score}, worse than {baseline}; too few items for a standard error"
    shown = format_number(error, digits=2)
    if own - finite[best] > error:
        return False, f"{score}, worse than {baseline} by more than one standard error, {shown}"
    return True, f"{score}, worse than {baseline} by at most one standard error, {shown}; there was no champion"


def keeps_recipe(selection: Contest, recipe: Contest, gate: Gate) -> bool:
    """Return whether the champion's recipe is kept: a new selection must be better by the gate's margin.

    Args:
        selection: the contest with the new selection as the challenger.
        recipe: the same contest with the champion's recipe, fitted on the same data, as the challenger.
        gate: conditions for the challenger.
    """
    new, old = selection.score(CHALLENGER), recipe.score(CHALLENGER)
    return math.isfinite(old) and not new < old * (1 - gate.margin)


def with_winner(selection: Contest, recipe: Contest, kept: bool) -> Contest:
    """Return the contest in which the better recipe is the challenger, and both have names of their own."""
    new, old = (contest.errors[CHALLENGER] for contest in (selection, recipe))
    own = {NEW_SELECTION: new, CHAMPIONS_RECIPE: old, CHALLENGER: old if kept else new}
    return replace(selection, errors=selection.errors | own)


def cross_fitted(selection: Contest, recipe: Contest, gate: Gate) -> Contest:
    """Return the contest in which each half of the items has as its challenger the recipe that is better on the other.

    The difference to the champion is unbiased. If the halves agree, the challenger is the better recipe on all items.
    """
    if len(selection.errors[CHALLENGER]) < 2:
        return with_winner(selection, recipe, keeps_recipe(selection, recipe, gate))
    contest = with_winner(selection, recipe, kept=False)
    challenger, old = contest.errors[CHALLENGER].copy(), contest.errors[CHAMPIONS_RECIPE]
    first, second = selection.halves()
    for judged, other in ((first, second), (second, first)):
        if keeps_recipe(selection.only(other), recipe.only(other), gate):
            challenger[judged] = old[judged]
    return replace(contest, errors=contest.errors | {CHALLENGER: challenger})


def best_baseline(scores: Scores, contest: Contest) -> str | None:
    """Return the best baseline on the validation set, or on the test set if no baseline has a validation score.

    A baseline chosen on the judged data would be the luckiest of many, which is too hard a standard for a model.
    Baselines whose scores or judged errors are not finite are left out.

    Args:
        scores: scores of a challenger, written by evaluate.
        contest: errors of all judged models.
    """
    sound = {name: by_part for name, by_part in scores.baselines.items() if np.isfinite(contest.errors[name]).all()}
    for part in ("validation", "test"):
        by_name = {name: by_part.get(part, {}).get(scores.metric) for name, by_part in sound.items()}
        known = {name: value for name, value in by_name.items() if value is not None and math.isfinite(value)}
        if known:
            return (max if scores.higher_is_better else min)(known, key=lambda name: known[name])
    return None


def _text(score: float) -> str:
    return format_number(score, digits=5)
