"""The tables that keep a pipeline fresh: when it is retrained, and what a new model must show to be served."""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from gristmill.settings.base import Settings

_UNITS = ("second", "minute", "hour", "day", "week")
_FIELDS = ("minute", "hour", "day", "month", "weekday")  # of a cron line
_CRON = f'five fields, {" ".join(_FIELDS)}, such as "0 6 * * 1"'
_NOT_PREFECTS = re.compile(r"LW|\dL", re.IGNORECASE)  # last weekday, last Friday: Prefect's reader of cron has neither
_NO_PLAIN_RULE = re.compile(r"[:\s]|INTERVAL=0+(;|$)", re.IGNORECASE)  # brings its own start, or never gets on
_ANY_TIME = datetime(2000, 1, 1)
_UTC = "UTC"


def parse_duration(text: str) -> timedelta:
    """Return how long a span of time is.

    >>> span("90 minutes")
    datetime.timedelta(seconds=5400)

    Raises:
        ValueError: not a whole number of seconds, minutes, hours, days or weeks.
    """
    found = re.fullmatch(rf"([1-9]\d*) ({'|'.join(_UNITS)})s?", text.strip())
    with suppress(OverflowError):
        if found:
            return timedelta(**{f"{found[2]}s": int(found[1])})
    raise ValueError('a number and a unit, such as "90 minutes", "6 hours", "1 day" or "2 weeks"')


def _is_span(text: str) -> str:
    parse_duration(text)
    return text


def _is_cron(text: str) -> str:
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{_CRON}, not {len(fields)}")
    for place, (name, field) in enumerate(zip(_FIELDS, fields, strict=True)):
        if not _holds(["*"] * place + [field] + ["*"] * (len(_FIELDS) - place - 1)):
            raise ValueError(f"{_CRON}; {field!r} is no {name}")
    if not _holds(fields):  # though each does
        raise ValueError(f"{_CRON}; day {fields[2]!r} never comes in month {fields[3]!r}")
    return text


def _holds(fields: list[str]) -> bool:
    from cronsim import CronSim, CronSimError  # late, as dateutil below: only a schedule pays for it

    with suppress(CronSimError):
        CronSim(" ".join(fields), _ANY_TIME)
        return not any(map(_NOT_PREFECTS.search, fields))
    return False


def _is_rrule(text: str) -> str:
    from dateutil.rrule import rrulestr

    with suppress(ValueError, TypeError):  # the latter where FREQ is missing
        if not _NO_PLAIN_RULE.search(text):
            rrulestr(text)
            return text
    raise ValueError('an RFC 5545 rule in one line, such as "FREQ=MONTHLY;BYDAY=1MO"')


def _is_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # there is none of this name, or it cannot be one
        raise ValueError('a time zone such as "Europe/Berlin" or "UTC"') from None
    return name


Duration = Annotated[str, AfterValidator(_is_span)]


class Schedule(Settings):
    """When a pipeline is retrained."""

    cron: Annotated[str, AfterValidator(_is_cron)] | None = None  # minute hour day month weekday
    interval: Duration | None = None  # such as "6 hours"
    rrule: Annotated[str, AfterValidator(_is_rrule)] | None = None  # an RFC 5545 rule such as "FREQ=MONTHLY;BYDAY=1MO"
    timezone: Annotated[str, AfterValidator(_is_zone)] = _UTC  # of cron and rrule
    on_event: bool = False  # also when `gristmill.data.updated` is emitted for the pipeline
    min_new: PositiveInt = 1  # rows that no retraining has judged yet; with fewer nothing is done
    max_age: Duration | None = None  # of the champion; beyond it one new row is enough
    collision: Literal["skip", "wait"] = "skip"  # what a retraining does that meets another of its pipeline

    @model_validator(mode="after")
    def _keep_one_clock(self) -> Self:
        given = [name for name in ("cron", "interval", "rrule") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"one of cron, interval and rrule; {' and '.join(given)} are set")
        return self

    @model_validator(mode="after")
    def _keep_the_zone_of_a_clock(self) -> Self:
        if self.timezone != _UTC and not (self.cron or self.rrule):
            raise ValueError(f"cron or rrule beside timezone = {self.timezone!r}, which nothing else reads")
        return self


class Gate(Settings):
    """What a challenger must show on data that is newer than anything the champion was trained on."""

    window: PositiveInt = 30  # observations or rows it is judged on, the last ones; with fewer new ones it waits
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of the champion's error by which its own must be lower
