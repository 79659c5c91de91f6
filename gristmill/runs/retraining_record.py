"""Findings and decisions of a retraining, kept in its run record."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, PlainSerializer, computed_field

from gristmill.errors import RequestError, count_of
from gristmill.settings.base import Settings
from gristmill.settings.number_text import format_number, format_numbers
from gristmill.settings.schedule import Gate, Schedule, parse_duration

CHALLENGER, CHAMPION = "challenger", "champion"  # names in scores, next to those of the baselines
CHANGES = ADDED, CHANGED, LOST = "added", "changed", "lost"  # of rows between two sets of data
CONFIDENCE_LEVEL = 0.95  # level of the confidence interval of their difference
ALARM_P_VALUE = 0.01  # p-value below which a sign of drift is an alarm
MAX_FALSE_ALARMS = 0.05  # the same for a series: probability that data without a change ever raises an alarm

_MAX_WINNERS = 10  # number of judged retrainings in which changes of the winner are counted

LIMITS_OF_INGEST = ("max_lost", "quarantine")
"""Settings of `ingest` that decide whether data is accepted, not what it is; `max_lost` is in records of 0.2."""

JsonFloat = Annotated[float, PlainSerializer(lambda x: x if math.isfinite(x) else str(x), when_used="json")]
"""Number in a record; infinite values and NaN are stored as text, since JSON cannot express them."""

Folders = Mapping[str, Path]  # of artifacts, by stage
RetrainingVerdict = Literal["nothing new", "waiting", "rejected", "promoted"]


@dataclass(frozen=True)
class Champion:
    """The version that serves, with which new data and challengers are compared."""

    folders: Folders
    tables: Mapping[str, Settings]  # settings of its run; the current settings may define another model


class DataChanges(BaseModel):
    """Number of rows that differ from earlier data."""

    later: int  # rows after the last known row, which no model has seen
    late: int = 0  # rows added before the last known row
    revised: int = 0
    removed: int = 0
    added_series: str = ""  # names of series that are new
    ended_series: str = ""  # names of series that have no rows at the newest times, although they had before

    @property
    def rows(self) -> int:
        """All changed rows."""
        return self.later + self.late + self.revised + self.removed

    def __str__(self) -> str:
        counts = {"new": self.later, "late": self.late, "revised": self.revised, "removed": self.removed}
        series = {"series added": self.added_series, "series without the newest rows": self.ended_series}
        changes = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing"
        named = "; ".join(f"{what}: {names}" for what, names in series.items() if names)
        return f"{changes} ({named})" if named else changes


@dataclass(frozen=True)
class LostRows:
    """Number of earlier rows that are missing."""

    count: int
    known: int  # earlier rows
    what: str  # unit: rows, lines
    first: str  # name of the first missing one; empty if none is
    cause: str = ""  # why they are missing; empty if this is not known
    remedy: str = ""


class Sign(BaseModel):
    """A sign of drift."""

    probability: JsonFloat  # p-value: probability of a value as extreme without drift
    threshold: float = ALARM_P_VALUE  # a smaller probability is an alarm

    @computed_field  # type: ignore[prop-decorator]  # mypy does not support decorators above property
    @property
    def alarm(self) -> bool:
        """Whether the probability is small enough."""
        return self.probability < self.threshold

    @property
    def chance(self) -> str:
        """The probability in words."""
        return f"probability {format_number(self.probability, 2)}"


class MeanDrift(Sign):
    """A champion's mean error on new examples, which have no order in time, compared with that on its test set."""

    count: int
    mean: JsonFloat
    mean_before: JsonFloat

    def __str__(self) -> str:
        return (
            f"mean error {format_number(self.mean)} of {self.count:,} new examples, "
            f"{format_number(self.mean_before)} in the test set, {self.chance}"
        )


class ErrorDrift(MeanDrift):
    """A champion's errors on data since its training, compared with those on data held out of its training."""

    large: JsonFloat  # threshold above which errors count as large
    run: int  # longest run of large errors
    run_before: int

    def __str__(self) -> str:
        return (
            f"mean error {format_number(self.mean)} of {self.count:,} new ones, {format_number(self.mean_before)} on "
            f"held-out data, {self.run} in a row above {format_number(self.large)}, {self.chance}"
        )


class BaselineDrift(Sign):
    """A champion's error on new data, compared with the best baseline's on the same data."""

    name: str
    metric: str
    champion: JsonFloat
    baseline: JsonFloat

    def __str__(self) -> str:
        return (
            f"the champion is worse than {self.name}: {self.metric} {format_number(self.champion, 5)} against "
            f"{format_number(self.baseline, 5)}, {self.chance}"
        )


class InputDrift(Sign):
    """Difference between new values of one column and those of the training."""

    name: str
    test: str
    statistic: JsonFloat

    def __str__(self) -> str:
        return f"{self.name}: {self.test} {self.statistic:.3f}, {self.chance}"


class Drift(BaseModel):
    """All signs of drift; probabilities of errors and inputs are adjusted for their number."""

    errors: ErrorDrift | MeanDrift | None  # None if no new value could be predicted yet
    inputs: list[InputDrift]
    baseline: BaselineDrift | None = None  # None before a challenger was judged

    @property
    def has_error_alarm(self) -> bool:
        """Whether an alarm is about the champion's errors, alone or compared with those of the best baseline."""
        return any(sign and sign.alarm for sign in (self.errors, self.baseline))

    @property
    def alarms(self) -> list[str]:
        """Each alarm in words."""
        return [str(sign) for sign in (self.errors, *self.inputs, self.baseline) if sign and sign.alarm]


class Judgement(BaseModel):
    """Result of comparing a challenger with the champion."""

    metric: str
    scores: dict[str, JsonFloat]  # by name, lower is better
    items: int  # number of judged items
    difference: JsonFloat | None  # champion's score minus the challenger's; None unless both are finite
    interval: tuple[float, float] | None  # confidence interval of the difference
    cross_fitted: bool = False  # whether each half is scored with the recipe that is better on the other half there
    best_baseline: str | None
    promoted: bool
    why: str
    over_time: dict[str, list[JsonFloat]] = {}  # mean errors of consecutive items, of the models worth drawing

    @property
    def items_in_words(self) -> str:
        """The number of items, and how the challenger of the difference was chosen."""
        how = (
            "; cross-fitted: each half is scored with the recipe that is better on the other half"
            if self.cross_fitted
            else ""
        )
        return f"{self.items:,} items{how}"

    @property
    def change(self) -> tuple[float, float, float] | None:
        """Challenger's score minus the champion's, and the bounds of its interval; None without an interval."""
        if self.difference is None or self.interval is None:
            return None
        return -self.difference, -self.interval[1], -self.interval[0]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Names and scores as text, the best first and infinite ones last."""
        names = sorted(self.scores, key=lambda name: (not math.isfinite(self.scores[name]), self.scores[name]))
        return list(zip(names, format_numbers([self.scores[name] for name in names], digits=5), strict=True))


class Retraining(BaseModel):
    """One retraining."""

    champion: int | None  # the version that served when it began
    news: DataChanges  # since the champion was trained
    unjudged: int  # rows that no retraining has judged yet
    silent_since: datetime | None = None  # time of the newest data, if it is older than the pipeline allows
    quarantined: int = 0  # unusable rows of the data that were set aside
    asked: list[str] = []  # overrides that the retraining adds: a challenger's test set is the judging window
    drift: Drift | None = None
    judgement: Judgement | None = None
    winner: list[str] = []  # candidates in the better one of a new selection and the champion's recipe, sorted
    kept_recipe: bool = False  # whether that is the champion's recipe
    recovered: bool = False  # whether the winner is a simple model that replaces both, after an alarm
    last_winners: list[list[str]] = []  # of this and the judged retrainings before it, newest first; without empty ones
    verdict: RetrainingVerdict | None = None  # None while the retraining is running
    why: str = ""
    version: int | None = None  # promoted version
    tables: dict[str, Any] = {}  # settings of the exported model that differ from the run's: of a recipe, a recovery

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.verdict is not None

    @property
    def winner_changes(self) -> str:
        """How often the winner changed, in words; empty with fewer than two judged retrainings."""
        judged = len(self.last_winners)
        if judged < 2:
            return ""
        changes = count_of(sum(before != after for before, after in pairwise(self.last_winners)), "times")
        return f"The candidates in the winner changed {changes} over the last {judged} judged retrainings."

    def with_winner(self, winner: Sequence[str], earlier: Iterable[Self]) -> Self:
        """Return a copy with the candidates in its winner; `earlier` are the retrainings before it, newest first."""
        winners = [list(winner), *(retraining.winner for retraining in earlier)]
        last = list(islice(filter(None, winners), _MAX_WINNERS))
        return self.model_copy(update={"winner": list(winner), "last_winners": last})

    @property
    def unusable(self) -> str:
        """The number of rows that were set aside, in words."""
        return f"{count_of(self.quarantined, 'unusable rows')} set aside"

    def ended(self, verdict: RetrainingVerdict, why: str, version: int | None = None) -> Self:
        """Return a copy with its result, and the number of rows that were set aside, which may be the new ones."""
        why += f"; {self.unusable}" if self.quarantined else ""
        return self.model_copy(update={"verdict": verdict, "why": why, "version": version})


def stop_before_training(
    news: DataChanges,
    unjudged: int,
    champion_made: datetime | None,
    schedule: Schedule,
    gate: Gate,
    now: datetime,
    has_erred: bool = False,
) -> tuple[RetrainingVerdict, str] | None:
    """Return the reason why a retraining ends before training; None if it continues.

    `news` counts changes since the champion was trained, `unjudged` the rows that no retraining has judged yet. If
    logged predictions have an alarm about their errors, it `has_erred`.
    """
    aged = (
        champion_made is not None
        and schedule.max_age is not None
        and now - champion_made > parse_duration(schedule.max_age)
    )
    minimum = 1 if aged or has_erred else schedule.min_new
    if unjudged < minimum:
        return "nothing new", f"{unjudged} rows that no retraining has judged, fewer than {minimum}"
    if champion_made is not None and news.later < gate.window:
        return "waiting", (
            f"{news} since the champion was trained; gate.window asks for {gate.window} new ones to judge on"
        )
    return None


def stop_before_challenger(judgeable: int, gate: Gate) -> tuple[RetrainingVerdict, str] | None:
    """Return the reason why a retraining of examples ends before it trains a challenger; None if it continues.

    `judgeable` counts the rows of the challenger's test set from which neither it nor the champion has learned.
    """
    if judgeable < gate.window:
        return "waiting", (
            f"only {judgeable:,} rows of the test set are unknown to all compared models; gate.window requires "
            f"{gate.window}. Add data, or increase preprocess.test"
        )
    return None


def same_settings(judged: Mapping[str, Any], today: Mapping[str, Any], asked: Iterable[str]) -> bool:
    """Return whether a challenger with the current settings would equal the judged one.

    All settings that can change it must be equal, except the overrides `asked` that the retraining adds.
    """
    keys = {f"ingest.{key}" for key in LIMITS_OF_INGEST}
    keys |= {assignment.partition("=")[0] for assignment in asked}

    def relevant(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {
            f"{table}.{key}": value
            for table, values in settings.items()
            for key, value in values.items()
            if table not in ("arrivals", "schedule", "schema") and f"{table}.{key}" not in keys
        }

    return relevant(judged) == relevant(today)


def same_data(settings: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Return whether settings describe the same data set: equal `source` and `ingest`, up to limits."""

    def data(of: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        return of["source"], {key: value for key, value in of["ingest"].items() if key not in LIMITS_OF_INGEST}

    return data(settings) == data(others)


def incomparable_error(why: str) -> RequestError:
    """Return the error for data or settings with which champion and challenger cannot be compared."""
    return RequestError(
        f"{why}: champion and challenger cannot be compared. Run the pipeline, look at its scores, and promote that "
        "run: gristmill promote NAME."
    )
