"""Selection among candidates: the best one, or a weighted average of several.

Candidates are compared on held-out predictions: of a validation set, of the blocks of a backtest, or of folds.
`ensemble_weights.py` chooses the weights of an average.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.candidates import SELECTION_FILE, CandidateArtifacts, read_selection
from gristmill.domains.common.ensemble_weights import (
    MIN_UNSHRUNK,
    Loss,
    Predictions,
    ensemble_weights,
    weighted_average,
)
from gristmill.errors import RequestError, WorkError
from gristmill.scores import LEADERBOARD
from gristmill.settings.messages import unknown_name
from gristmill.settings.number_text import format_number
from gristmill.settings.selection import Select
from gristmill.util.block_bootstrap import standard_error
from gristmill.util.table_io import read_table, write_document, write_table
from gristmill.util.timing import fastest

Call = Callable[[], object]

_MIN_PREDICTIONS = 2
_OUTCOME = ("metric", "on", "loss", "few_predictions")  # of a selection, in its file and in `scores.json`


@dataclass(frozen=True)
class Selection:
    """Outcome of a selection."""

    weights: dict[str, float]  # weights of the members; they sum to 1
    metric: str  # the loss, lower is better
    on: str  # the data on which candidates were compared: "validation", "backtest" or "folds"
    loss: float  # loss of the weighted average
    leaderboard: pd.DataFrame  # a row for each candidate, the lowest loss first
    few_predictions: int | None = None  # number of independent predictions; set only if weights were shrunk

    def write(self, candidates: Mapping[str, CandidateArtifacts], out: Path) -> None:
        """Write `selection.json`, with settings and training of the members, and `leaderboard.parquet`."""
        members = []
        for name, weight in self.weights.items():
            settings, training = candidates[name].document["settings"], candidates[name].training
            members.append({"name": name, "weight": weight, "settings": settings, "training": training})
        outcome = {name: getattr(self, name) for name in _OUTCOME}
        write_document(out / SELECTION_FILE, {"members": members} | outcome)
        write_table(out / LEADERBOARD, self.leaderboard)


def summary_of(folder: Path) -> dict[str, Any] | None:
    """Return the outcome of a selection for `scores.json` (`gristmill/scores.py`); None for a single model."""
    selection = read_selection(folder)
    if selection is None:
        return None
    table = read_leaderboard(folder)
    weights = {member["name"]: member["weight"] for member in selection["members"]}
    return {
        "members": dict(sorted(weights.items(), key=lambda item: -item[1])),
        **{name: selection.get(name) for name in _OUTCOME},
        "best": table["candidate"].iloc[0],
        "best_loss": float(table["loss"].iloc[0]),
        "tried": len(table),
        "failed": int((table["failed"] != "").sum()),
    }


def read_leaderboard(folder: Path) -> pd.DataFrame:
    """Return the leaderboard in the artifact of select.

    Columns are `candidate`, `loss`, `standard_error`, `weight`, `baseline` and `failed`, the reason or an empty text.
    """
    return read_table(folder / LEADERBOARD)


def choose(
    candidates: Mapping[str, CandidateArtifacts],
    predictions: Mapping[str, Predictions],
    loss: Loss,
    settings: Select,
    *,
    metric: str,
    on: str,
    predict_one: Callable[[str], Call],
    block: int = 1,
    independent: int | None = None,
    trusted: Collection[str] = (),
    remedy: str = "preprocess.validation",
) -> Selection:
    """Return the weights that select chooses, and the leaderboard.

    Args:
        candidates: all candidates, the cheapest first.
        predictions: held-out predictions of the candidates that did not fail, all for the same items.
        loss: function from predictions to the loss of each item.
        settings: limits of what is exported.
        metric: name of the loss.
        on: the data that is predicted: "validation", "backtest" or "folds".
        predict_one: function that returns a call in which a candidate predicts once, to be timed if there is a limit.
        block: number of neighbouring items that depend on each other, such as overlapping forecasts.
        independent: number of independent predictions; if None, the number of losses.
        trusted: candidates known to be good on most data; with few independent predictions, weights are shrunk to them.
        remedy: settings that give more predictions.

    Raises:
        RequestError: there are fewer than two predictions to choose on.
        WorkError: every candidate failed, or none is within the limits.
    """
    # 1. Leave out candidates that failed, or that may not be exported even alone.
    losses = {name: loss(predictions[name]) for name in candidates if name in predictions}
    means = {name: float(values.mean()) for name, values in losses.items()}
    limits = _Limits(candidates, settings, predict_one)
    unusable: dict[str, str] = {}
    for name, candidate in candidates.items():
        reason = candidate.failed
        if reason is None:
            reason = limits.reason(name) if np.isfinite(means[name]) else "its loss is not finite"
        if reason:
            unusable[name] = reason
    sound = [name for name in means if name not in unusable]
    if not sound:
        named: dict[str, list[str]] = {}  # the candidates by reason
        for name, reason in unusable.items():
            named.setdefault(reason, []).append(name)
        reasons = "; ".join(f"{', '.join(own)}: {reason}" for reason, own in named.items())
        if len(named) == 1 < len(unusable):
            reasons = f"All of them: {next(iter(named))}"
        raise WorkError(f"no candidate is left to select. {reasons}")

    # 2. Choose the weights, unless the table `select` has them.
    few_predictions = None
    if settings.weights:
        weights = _fixed_weights(settings, candidates, unusable)
    else:
        count = len(losses[sound[0]])
        if count < _MIN_PREDICTIONS:  # chance would decide
            where = {"validation": "the validation set", "backtest": "the backtest"}.get(on, "the held-out examples")
            raise RequestError(
                f"candidates must be compared on at least {_MIN_PREDICTIONS} predictions. "
                f"Found in {where}: {count}. Increase {remedy}."
            )
        independent = count if independent is None else independent
        usable = {name: predictions[name] for name in sound}
        constants = [name for name in sound if candidates[name].is_constant]
        weights = ensemble_weights(usable, loss, independent, trusted, limits.allow, constants)
        few_predictions = independent if independent < MIN_UNSHRUNK else None

    # 3. Rank all candidates; those that failed are last.
    errors = {name: standard_error(values, block) for name, values in losses.items()}
    table = pd.DataFrame(
        {
            "candidate": list(candidates),
            "loss": [means.get(name, np.nan) for name in candidates],
            "standard_error": [np.nan if errors.get(name) is None else errors[name] for name in candidates],
            "weight": [weights.get(name, 0.0) for name in candidates],
            "baseline": [candidate.is_baseline for candidate in candidates.values()],
            "failed": [unusable.get(name, "") for name in candidates],
        }
    )
    order = table.assign(failed=table["failed"] != "").sort_values(["failed", "loss"]).index  # ties keep their order
    best_first = table.loc[order].reset_index(drop=True)
    mean = float(loss(weighted_average(predictions, weights)).mean())
    return Selection(weights, metric, on, mean, best_first, few_predictions)


def _fixed_weights(
    settings: Select, candidates: Mapping[str, CandidateArtifacts], unusable: Mapping[str, str]
) -> dict[str, float]:
    """Return the weights of the table `select`, scaled to sum to 1."""
    for name in settings.weights:
        if name not in candidates:
            raise RequestError(f"select.weights: {unknown_name('candidate', name, candidates)}")
        if name in unusable:
            raise WorkError(f"select.weights: {name} cannot be used: {unusable[name].removesuffix('.')}.")
    total = sum(settings.weights.values())
    return {name: weight / total for name, weight in settings.weights.items()}


class _Limits:
    """Check of members against the limits of the table `select`."""

    def __init__(
        self, candidates: Mapping[str, CandidateArtifacts], settings: Select, predict_one: Callable[[str], Call]
    ) -> None:
        self._settings, self._candidates = settings, candidates
        self._milliseconds = cache(lambda name: 1000 * fastest(predict_one(name)))  # of one prediction

    def allow(self, names: list[str]) -> bool:
        """Return whether an average of these candidates may be exported."""
        settings = self._settings
        if len(names) > settings.max_members:
            return False
        if settings.max_size is not None and sum(map(self._megabytes, names)) > settings.max_size:
            return False
        return settings.max_latency is None or sum(map(self._milliseconds, names)) <= settings.max_latency

    def reason(self, name: str) -> str:
        """Return why a candidate may not be exported even alone; empty if it may."""
        size, latency = self._settings.max_size, self._settings.max_latency
        if size is not None and (megabytes := self._megabytes(name)) > size:
            return f"its weights take {format_number(megabytes)} MB, more than select.max_size = {format_number(size)}"
        if latency is not None and (measured := self._milliseconds(name)) > latency:
            limit = f"select.max_latency = {format_number(latency)}"
            return f"a prediction takes {format_number(measured)} ms, more than {limit}"
        return ""

    def _megabytes(self, name: str) -> float:
        return sum(path.stat().st_size for path in self._candidates[name].train.rglob("weights.npz")) / 1e6
