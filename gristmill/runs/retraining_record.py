"""What a retraining finds and decides, kept in its run record."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, PlainSerializer

from gristmill.errors import RequestError
from gristmill.settings.base import Settings
from gristmill.settings.messages import format_number
from gristmill.settings.schedule import Gate, Schedule, parse_duration

CHALLENGER, CHAMPION = "challenger", "champion"  # their names among what is judged, beside the baselines'
CONFIDENCE_LEVEL = 0.95  # of the interval around the difference between the two


def _in_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


JsonFloat = Annotated[float, PlainSerializer(_in_json, when_used="json")]
"""Number in a record; infinite values and NaN are stored as text, since JSON cannot express them."""

Folders = Mapping[str, Path]  # of artifacts, by stage
RetrainingVerdict = Literal["nothing new", "waiting", "rejected", "promoted"]


@dataclass(frozen=True)
class Champion:
    """The version that serves, as a domain compares new data and challengers with it."""

    folders: Folders
    tables: Mapping[str, Settings]  # the settings of its run: today's may ask for another model


class DataChanges(BaseModel):
    """How data differs from what it is compared with, in rows."""

    later: int  # after the last one that was known: none of these has any model seen
    late: int = 0  # added before it
    revised: int = 0
    removed: int = 0

    @property
    def rows(self) -> int:
        """All that is new."""
        return self.later + self.late + self.revised + self.removed

    def __str__(self) -> str:
        counts = {"new": self.later, "late": self.late, "revised": self.revised, "removed": self.removed}
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing"


@dataclass(frozen=True)
class LostRows:
    """How much of earlier data is missing."""

    count: int
    known: int  # earlier
    what: str  # is counted: rows, lines
    first: str  # names the first that is missing; empty where none is


class ErrorDrift(BaseModel):
    """A champion's errors on what came since it was trained, compared with those on data held out of its training."""

    count: int
    mean: JsonFloat
    mean_before: JsonFloat
    large: JsonFloat  # an error beyond it counts as large
    run: int  # the longest run of large errors
    run_before: int
    probability: JsonFloat  # of errors as large, were nothing different
    alarm: bool

    def __str__(self) -> str:
        return (
            f"mean error {format_number(self.mean)} of {self.count:,} new ones, {format_number(self.mean_before)} on "
            "held-out data, "
            f"{self.run} in a row above {format_number(self.large)}, probability {format_number(self.probability, 2)}"
        )


class MeanDrift(BaseModel):
    """A champion's mean error on new examples, which have no order in time, beside that of its test part."""

    count: int
    mean: JsonFloat
    mean_before: JsonFloat
    probability: JsonFloat  # of a mean as far above, were nothing different
    alarm: bool

    def __str__(self) -> str:
        return (
            f"mean error {format_number(self.mean)} of {self.count:,} new examples, "
            f"{format_number(self.mean_before)} in the test part, probability {format_number(self.probability, 2)}"
        )


class BaselineDrift(BaseModel):
    """A champion's error on new data, compared with the best baseline's on the same data."""

    name: str
    metric: str
    champion: JsonFloat
    baseline: JsonFloat
    probability: JsonFloat  # of a champion as much worse, were it as good as the baseline
    alarm: bool

    def __str__(self) -> str:
        return (
            f"the champion is worse than {self.name}: {self.metric} {format_number(self.champion, 5)} against "
            f"{format_number(self.baseline, 5)}, probability {format_number(self.probability, 2)}"
        )


class InputDrift(BaseModel):
    """How far new values of one column lie from those that were trained on."""

    name: str
    test: str
    statistic: JsonFloat
    probability: JsonFloat  # of one as large, were nothing different
    alarm: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.test} {self.statistic:.3f}, probability {format_number(self.probability, 2)}"


class Drift(BaseModel):
    """All signs together. Probabilities of errors and inputs are adjusted for how many signs were looked at."""

    errors: ErrorDrift | MeanDrift | None  # None where no new value could be predicted yet
    inputs: list[InputDrift]
    baseline: BaselineDrift | None = None  # None before a challenger was judged

    @property
    def alarms(self) -> list[str]:
        """Each alarm in words."""
        return [str(sign) for sign in (self.errors, *self.inputs, self.baseline) if sign and sign.alarm]


class Judgement(BaseModel):
    """What came of a contest."""

    metric: str
    scores: dict[str, JsonFloat]  # by name, lower is better
    items: int  # judged
    difference: JsonFloat | None  # champion's error minus the challenger's; None where there are not two finite ones
    interval: tuple[float, float] | None  # of the difference
    best_baseline: str | None
    promoted: bool
    why: str

    @property
    def best_first(self) -> list[tuple[str, float]]:
        """Names and scores, the best first, those that are not finite last."""
        return sorted(self.scores.items(), key=lambda item: (not math.isfinite(item[1]), item[1]))


class Retraining(BaseModel):
    """One retraining."""

    champion: int | None  # the version that served when it began
    news: DataChanges  # since the champion was trained
    unjudged: int  # rows that no retraining has judged yet
    asked: list[str] = []  # assignments that it made itself: a challenger's test part is the judging window
    drift: Drift | None = None
    judgement: Judgement | None = None
    verdict: RetrainingVerdict | None = None  # None while it is under way
    why: str = ""
    version: int | None = None  # what was promoted

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.verdict is not None

    def ended(self, verdict: RetrainingVerdict, why: str, version: int | None = None) -> Self:
        """Return it with its end."""
        return self.model_copy(update={"verdict": verdict, "why": why, "version": version})


def stop_before_training(
    news: DataChanges, unjudged: int, champion_made: datetime | None, schedule: Schedule, gate: Gate, now: datetime
) -> tuple[RetrainingVerdict, str] | None:
    """Return why a retraining ends before anything is trained; None where it goes on.

    Args:
        news: since the champion was trained.
        unjudged: rows that no retraining has judged yet.
        champion_made: when the champion was made; None without one.
        schedule: how many new rows are worth the work.
        gate: how many a challenger is judged on.
        now: the time.
    """
    aged = (
        champion_made is not None
        and schedule.max_age is not None
        and now - champion_made > parse_duration(schedule.max_age)
    )
    asked = 1 if aged else schedule.min_new
    if unjudged < asked:
        return "nothing new", f"{unjudged} rows that no retraining has judged, fewer than {asked}"
    if champion_made is not None and news.later < gate.window:
        return "waiting", (
            f"{news} since the champion was trained; gate.window asks for {gate.window} new ones to judge on"
        )
    return None


def stop_before_challenger(judgeable: int, gate: Gate) -> tuple[RetrainingVerdict, str] | None:
    """Return why a retraining of examples ends before its challenger is trained; None where it goes on.

    Args:
        judgeable: rows of the challenger's test part that neither it nor the champion is trained or chosen on.
        gate: how many a challenger is judged on.
    """
    if judgeable < gate.window:
        return "waiting", (
            f"{judgeable:,} rows of the test part can be judged, which neither champion nor challenger learns from; "
            f"gate.window asks for {gate.window}. More data or a larger preprocess.test gives more"
        )
    return None


def same_settings(judged: Mapping[str, Any], today: Mapping[str, Any], asked: Iterable[str]) -> bool:
    """Whether a challenger of today would be the one that was judged: all settings that can change it are equal.

    Args:
        judged: settings by table.
        today: settings by table.
        asked: assignments that the retraining made itself, which today's settings need not have.
    """
    keys = {"ingest.max_lost", *(assignment.partition("=")[0] for assignment in asked)}

    def counted(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {
            f"{table}.{key}": value
            for table, values in settings.items()
            for key, value in values.items()
            if table not in ("schedule", "schema") and f"{table}.{key}" not in keys
        }

    return counted(judged) == counted(today)


def incomparable_error(why: str) -> RequestError:
    """Return the error of data or settings under which champion and challenger cannot be compared."""
    return RequestError(
        f"{why}: champion and challenger cannot be compared. Run the pipeline, look at its scores, and promote that "
        "run: gristmill promote NAME."
    )
