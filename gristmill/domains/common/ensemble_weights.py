"""Weights of an average of candidates: greedy selection, with shrinkage if there are few predictions."""

from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt

Predictions = npt.NDArray[np.float64]  # (items, …)
Losses = npt.NDArray[np.float64]  # (items,), in the order of time if there is one
Loss = Callable[[Predictions], Losses]
Allowed = Callable[[list[str]], bool]  # returns whether an average of these candidates may be exported

_MIN_GAIN = 0.001  # share of the loss that a step must save; of candidates closer than this, the cheaper one is taken
_MAX_STEPS = 20
MIN_UNSHRUNK = 100  # independent predictions; with fewer, weights are shrunk
_PRIOR_PREDICTIONS = 20  # independent predictions that the prior weights count as, at most
_EQUAL_PREDICTIONS = 15  # independent predictions with which the chosen weights count as much as the prior ones
_MAX_EXCESS = 0.1  # loss of an average with shrunk weights beyond that of the best candidate, with few predictions
_MIN_WEIGHT = 0.05  # of a member; a smaller one is left out
_ROUNDING = 1e-9  # relative rounding error of a sum of weights
_STEP, _MIN_SHARE = 0.8, 0.01  # factor of the prior's share until the loss is low enough, and its smallest value


def weighted_average(predictions: Mapping[str, Predictions], weights: Mapping[str, float]) -> Predictions:
    """Return the weighted average of predictions."""
    return np.asarray(sum(weight * predictions[name] for name, weight in weights.items()))


def ensemble_weights(
    predictions: Mapping[str, Predictions],
    loss: Loss,
    independent: int,
    trusted: Collection[str] = (),
    allowed: Allowed = lambda names: True,
    constants: Collection[str] = (),
) -> dict[str, float]:
    """Return the weights of the members of an average, which sum to 1.

    With fewer than `MIN_UNSHRUNK` independent predictions, greedy weights are shrunk to equal weights of the trusted
    candidates. If there are none, or if an average with them is not allowed, they are shrunk to equal weights of the
    members.

    Candidates that predict the same for all inputs, `constants`, would only draw an average towards the mean. One is
    selected alone, if neither another candidate nor the average of others is better.
    """
    # 1. Weight the candidates that are not constant.
    others = {name: values for name, values in predictions.items() if name not in constants}
    weights: dict[str, float] = {}
    if others and independent >= MIN_UNSHRUNK:
        weights = _drop_small(greedy_weights(others, loss, allowed))
    elif others:
        prior = [name for name in trusted if name in others]
        weights = greedy_weights(others, loss, lambda names: allowed(_union(names, prior)))
        if not allowed(_union(weights, prior)):  # even the best candidate and the trusted ones exceed the limits
            weights, prior = greedy_weights(others, loss, allowed), []
        equal = dict.fromkeys(prior or weights, 1 / len(prior or weights))
        weights = _drop_small(_shrink(weights, equal, others, loss, independent))

    # 2. Compare them with the best constant.
    means = {name: float(loss(values).mean()) for name, values in predictions.items() if name in constants}
    if not means:
        return weights
    best = min(means, key=lambda name: means[name])
    rivals = [*others.values(), *([weighted_average(others, weights)] if others else [])]
    lowest = min((float(loss(values).mean()) for values in rivals), default=np.inf)
    return weights if lowest < means[best] * (1 - _MIN_GAIN) else {best: 1.0}


def _drop_small(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights of the members that are worth their cost, scaled to sum to 1.

    The smallest is left out until all are large enough; of equal ones, the last, which is the most expensive.
    """
    kept = dict(weights)
    while min(kept.values()) < _MIN_WEIGHT * sum(kept.values()) * (1 - _ROUNDING):
        del kept[min(reversed(kept), key=lambda name: kept[name])]
    return {name: weight / sum(kept.values()) for name, weight in kept.items()}


def greedy_weights(
    predictions: Mapping[str, Predictions], loss: Loss, allowed: Allowed = lambda names: True
) -> dict[str, float]:
    """Return the weights of the members of an average, which sum to 1. `predictions` has the cheapest candidate first.

    Selection starts from the best candidate and adds, again and again, the one that lowers the loss of the average
    most (Caruana, Niculescu-Mizil, Crew & Ksikes, "Ensemble selection from libraries of models", ICML 2004). Unlike
    there, a step may give an added candidate less than an equal share, so that a weak one can still contribute a
    little.
    """
    means = {name: float(loss(values).mean()) for name, values in predictions.items()}
    best = min(means.values())
    first = next(name for name, mean in means.items() if mean <= best * (1 + _MIN_GAIN))
    weights, average, lowest = {first: 1.0}, predictions[first], means[first]
    for _ in range(_MAX_STEPS):
        step: tuple[float, str, float] | None = None
        for name, values in predictions.items():
            if name not in weights and not allowed([*weights, name]):
                continue
            for share in (1 / 2, 1 / 3, 1 / 5, 1 / 10):  # possible weights of an added candidate in the new average
                mean = float(loss((1 - share) * average + share * values).mean())
                if mean < (lowest if step is None else step[0]) * (1 - _MIN_GAIN):
                    step = mean, name, share
        if step is None:
            break
        lowest, name, share = step
        weights = {member: weight * (1 - share) for member, weight in weights.items()}
        weights[name] = weights.get(name, 0.0) + share
        average = (1 - share) * average + share * predictions[name]
    return weights


def _shrink(
    weights: dict[str, float],
    prior: dict[str, float],
    predictions: Mapping[str, Predictions],
    loss: Loss,
    independent: int,
) -> dict[str, float]:
    """Return chosen weights, shrunk to prior weights.

    The prior weights count as if they had been chosen on `_PRIOR_PREDICTIONS` predictions, fewer with more predictions
    than 11. Of the two, the weights with the larger loss count less, and the loss of the average exceeds that of the
    best candidate by a share of at most `_MAX_EXCESS`, less with more predictions. On 104 short series of the M1, M3
    and tourism competitions, cut before their test sets, this lowered the error of greedy weights by 3.4 % (standard
    error 1.3 %); the constants were chosen on 64 of them.

    If the prior weights always count as 20 predictions, they count too much in longer series, in which ridge or
    autoregression is often the best. On 38 series with 15 to 75 independent forecasts before their test sets, counting
    them as 225 / n instead lowered the error by 0.7 % (standard error 0.3 %), and on 28 others by 1.1 % (0.5 %).
    Greedy weights had 2.0 % (1.3 %) less error on these 28, but on 43 series with 8 to 14 forecasts 1.9 % (1.6 %) more.
    """
    excess = _MAX_EXCESS * _PRIOR_PREDICTIONS / (_PRIOR_PREDICTIONS + independent)
    highest = (1 + excess) * min(float(loss(values).mean()) for values in predictions.values())
    own, other = (float(loss(weighted_average(predictions, mix)).mean()) for mix in (weights, prior))
    if not own:
        return weights
    counted = min(_PRIOR_PREDICTIONS, _EQUAL_PREDICTIONS**2 / independent)
    share = counted * own / (counted * own + independent * other)
    while share >= _MIN_SHARE:
        mixed = {name: (1 - share) * weights.get(name, 0) + share * prior.get(name, 0) for name in weights | prior}
        if float(loss(weighted_average(predictions, mixed)).mean()) <= highest:
            return mixed
        share *= _STEP
    return weights


def _union(names: Iterable[str], others: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*names, *others]))
