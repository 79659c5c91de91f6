"""The tables `schedule`, `gate`, `freshness` and `monitor`: when to retrain, when to promote, and what to watch."""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from gristmill.settings.base import OptionalColumn, PositiveInt, Settings

if TYPE_CHECKING:
    from dateutil.rrule import rrule

_UNITS = ("second", "minute", "hour", "day", "week")
_SHORT_UNITS = {"s": "second", "m": "minute", "h": "hour"}
_DURATIONS = '"30 seconds", "90m", "6 hours", "1 day" or "2 weeks"'
_FIELDS = ("minute", "hour", "day", "month", "weekday")  # of a cron line
_CRON = f'five fields, {" ".join(_FIELDS)}, such as "0 6 * * 1"'
_UNSUPPORTED_CRON = re.compile(r"LW|\dL", re.IGNORECASE)  # last weekday, last Friday: Prefect does not support them
_UNSUPPORTED_RULE = re.compile(r"[:\s]|INTERVAL=0+(;|$)", re.IGNORECASE)  # has its own start, or never advances
_FREQUENT_RULE = re.compile(r"^(?!.*COUNT).*FREQ=(SECOND|MINUTE)LY", re.IGNORECASE)  # its start does not matter
_START = datetime(2020, 1, 1)  # from which Prefect counts COUNT and INTERVAL of all rules
_LATE_START = datetime(9964, 1, 1)  # like 2020 a leap year that begins on a Wednesday; dateutil stops after 9999
_UTC_END = re.compile(r"UNTIL=\w+Z(;|$)", re.IGNORECASE)
_UTC = "UTC"


def parse_duration(text: str) -> timedelta:
    """Return a duration; raise `ValueError` unless it is a whole number of seconds, minutes, hours, days or weeks.

    >>> parse_duration("90 minutes") == parse_duration("90m")
    True
    """
    match = re.fullmatch(r"([-+]?\d+(?:[.,]\d+)?) ?([A-Za-z]+)", text.strip())
    if match is None:
        raise ValueError(f"a number and a unit, such as {_DURATIONS}")
    number, unit = match[1], _SHORT_UNITS.get(match[2], match[2].removesuffix("s"))
    if unit not in _UNITS:
        raise ValueError(f"{', '.join(_SHORT_UNITS)} or {'s, '.join(_UNITS)}s as the unit, such as {_DURATIONS}")
    if not number.isdecimal() or not int(number):
        raise ValueError(f"a whole number above 0, such as {_DURATIONS}")
    try:
        return timedelta(**{f"{unit}s": int(number)})
    except OverflowError:
        raise ValueError(f"a shorter time, such as {_DURATIONS}") from None


def has_ended(rule: str, now: datetime) -> bool:
    """Return whether an RFC 5545 rule has no time after `now`, which is a local time without a zone."""
    from dateutil.rrule import rrulestr  # late, like cronsim below: only a schedule needs them

    start = now if _FREQUENT_RULE.search(rule) else _START  # the former avoids iterating over years of seconds
    return rrulestr(rule, dtstart=start).after(now) is None


def _check_duration(text: str) -> str:
    parse_duration(text)
    return text


def _check_cron(text: str) -> str:
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{_CRON}, not {len(fields)}")
    for place, (name, field) in enumerate(zip(_FIELDS, fields, strict=True)):
        if not _is_cron(["*"] * place + [field] + ["*"] * (len(_FIELDS) - place - 1)):
            raise ValueError(f"{_CRON}; {field!r} is no {name}")
    if not _is_cron(fields):  # although each field is valid
        raise ValueError(f"{_CRON}; day {fields[2]!r} never comes in month {fields[3]!r}")
    return text


def _is_cron(fields: list[str]) -> bool:
    from cronsim import CronSim, CronSimError

    with suppress(CronSimError):
        CronSim(" ".join(fields), datetime(2000, 1, 1))
        return not any(map(_UNSUPPORTED_CRON.search, fields))
    return False


def _check_rrule(text: str) -> str:
    from dateutil.rrule import rrule, rrulestr

    if _UTC_END.search(text):  # Prefect cannot read it
        raise ValueError("UNTIL without Z, because it is a local time in `timezone`")
    rule = None
    with suppress(ValueError, TypeError):  # the latter if FREQ is missing
        rule = None if _UNSUPPORTED_RULE.search(text) else rrulestr(text, dtstart=_START)
    if rule is None:
        raise ValueError('an RFC 5545 rule in one line, such as "FREQ=MONTHLY;BYDAY=1MO"')
    if not (isinstance(rule, rrule) and _ever_comes(rule)) or next(iter(rule), None) is None:
        raise ValueError('a rule with a time from 2020 to 2055, such as "FREQ=MONTHLY;BYDAY=1MO"')
    return text


def _ever_comes(rule: "rrule") -> bool:
    """Return whether a rule has a time from 2020 to 2055; a search without this end may take minutes."""
    from dateutil.rrule import DAILY

    late = rule.replace(dtstart=_LATE_START, until=None)
    days = late.replace(freq=DAILY, interval=1, byhour=None, byminute=None, bysecond=None, bysetpos=None)
    return all(next(iter(times), None) is not None for times in (days, late))


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, or not a possible name
        raise ValueError('a time zone such as "Europe/Berlin" or "UTC"') from None
    return name


Duration = Annotated[str, AfterValidator(_check_duration)]


class Schedule(Settings):
    """When a pipeline is retrained."""

    retired: ClassVar = {
        "collision": "Remove it: if events arrive during a retraining, exactly one more follows.",
        "warm_start": "Remove it: each training starts afresh.",
    }

    cron: Annotated[str, AfterValidator(_check_cron)] | None = None  # cron line: minute hour day month weekday
    interval: Duration | None = None  # time between retrainings, such as "6 hours"
    rrule: Annotated[str, AfterValidator(_check_rrule)] | None = None  # RFC 5545 rule such as "FREQ=MONTHLY;BYDAY=1MO"
    timezone: Annotated[str, AfterValidator(_check_zone)] = _UTC  # time zone of cron and rrule
    on_event: bool = False  # also retrain when `gristmill.data.updated` is emitted for the pipeline
    min_new: PositiveInt = 1  # minimum number of rows not yet judged; with fewer, no retraining starts
    on_error: bool = False  # one new row is enough if logged predictions are clearly worse than the test error
    max_age: Duration | None = None  # maximum age of the champion; beyond it, one new row starts a retraining
    budget: Duration | None = None  # time for a retraining of an auto model; candidates get what other stages leave
    timeout: Duration | None = None  # time after which a retraining is stopped as failed; the next one resumes it

    @model_validator(mode="after")
    def _check_clock(self) -> Self:
        clocks = [name for name in ("cron", "interval", "rrule") if getattr(self, name)]
        if len(clocks) > 1:
            raise ValueError(f"one of cron, interval and rrule; {' and '.join(clocks)} are set")
        if self.timezone != _UTC and not (self.cron or self.rrule):
            raise ValueError(f"cron or rrule with timezone = {self.timezone!r}, which nothing else uses")
        return self


class Gate(Settings):
    """Conditions for a challenger, on data that is newer than the champion's training data."""

    retired: ClassVar = {"baseline": "Remove it: without a champion, a challenger is compared with the best baseline."}

    window: PositiveInt = 30  # number of newest observations or rows to judge on; with fewer, retraining waits
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.01  # minimum reduction of the champion's error, as a share


class Freshness(Settings):
    """Limit on the age of the data. Without this table, a source without new data is not reported."""

    max_age_of_data: Duration  # maximum age of the newest data, such as "2 days"; retrainings report older data


class Monitor(Settings):
    """Log of predictions, which are scored when the truth is known. Without this table, nothing is logged."""

    keep: Duration = "365 days"  # age at which logged predictions and their truth are deleted
    id: OptionalColumn = None  # column that identifies a row, where `predict` reads a table of rows or texts
