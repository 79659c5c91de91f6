"""When a pipeline is retrained: what a schedule takes, and what it says of the rest."""

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL
from gristmill.config import catalogue
from gristmill.errors import RequestError
from gristmill.settings.schedule import Schedule, has_ended, parse_duration
from helpers.support import unnumbered

CRON = 'expected five fields, minute hour day month weekday, such as "0 6 * * 1"'
TIME = 'expected a rule with a time from 2020 to 2055, such as "FREQ=MONTHLY;BYDAY=1MO".'
RRULE = 'expected an RFC 5545 rule in one line, such as "FREQ=MONTHLY;BYDAY=1MO".'
TIMES = 'such as "30 seconds", "90m", "6 hours", "1 day" or "2 weeks".'
SPAN = f"expected a number and a unit, {TIMES}"
UNIT = f"expected s, m, h or seconds, minutes, hours, days, weeks as the unit, {TIMES}"
WHOLE = f"expected a whole number above 0, {TIMES}"
ZONE = 'expected a time zone such as "Europe/Berlin" or "UTC".'


def load(project: Path, lines: str) -> catalogue.Catalogue:
    """Load the small project with these lines in the table of its schedule."""
    (project / "pipelines.toml").write_text(f"{SMALL}\n[pipelines.small.schedule]\n{lines}\n")
    return catalogue.load(project)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 second", timedelta(seconds=1)),
        ("90 minutes", timedelta(minutes=90)),
        ("6 hours", timedelta(hours=6)),
        (" 1 day ", timedelta(days=1)),
        ("2 weeks", timedelta(weeks=2)),
    ],
)
def test_a_span_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "values",
    [
        {"cron": "0 6 * * 1"},
        {"cron": "*/15 8-18 * JAN-JUN mon-fri"},
        {"cron": "0 6 * * MON#2"},
        {"cron": "0 6 L * *"},
        {"cron": "0 6 * * WED", "timezone": "Europe/Berlin"},
        {"interval": "6 hours"},
        {"rrule": "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=6"},
        {"rrule": "freq=weekly;interval=10"},
        {"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO"},  # first in 2044
        {"rrule": "FREQ=DAILY;UNTIL=20300101T000000"},
        {"on_event": True},
        {},
    ],
)
def test_a_schedule_that_holds_is_taken_as_it_is(values: dict[str, Any]) -> None:
    assert Schedule(**values).model_dump(exclude_unset=True) == values


@pytest.mark.parametrize("cron", ["0 6 L * *", "0 6 * * MON#2"])
def test_prefect_takes_the_less_common_crons_too(cron: str) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    assert CronSchedule(cron=cron).cron == cron


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('cron = "0 6 * *"', f"cron: {CRON}, not 4. Received: '0 6 * *' (string)."),
        ('cron = "61 6 * * 1"', f"cron: {CRON}; '61' is no minute. Received: '61 6 * * 1' (string)."),
        ('cron = "0 25 * * *"', f"cron: {CRON}; '25' is no hour. Received: '0 25 * * *' (string)."),
        ('cron = "0 6 0 * *"', f"cron: {CRON}; '0' is no day. Received: '0 6 0 * *' (string)."),
        ('cron = "0 6 * MAI 1"', f"cron: {CRON}; 'MAI' is no month. Received: '0 6 * MAI 1' (string)."),
        ('cron = "0 6 30 2 *"', f"cron: {CRON}; day '30' never comes in month '2'. Received: '0 6 30 2 *' (string)."),
        ('cron = "0 6 * * 5L"', f"cron: {CRON}; '5L' is no weekday. Received: '0 6 * * 5L' (string)."),
        ('cron = "0 6 LW * *"', f"cron: {CRON}; 'LW' is no day. Received: '0 6 LW * *' (string)."),
        ('cron = "@daily"', f"cron: {CRON}, not 1. Received: '@daily' (string)."),
        ('cron = ""', f"cron: {CRON}, not 0. Received: '' (string)."),
        ("cron = 6", "cron: expected a valid string. Received: 6 (integer)."),
        ('rrule = "every Monday"', f"rrule: {RRULE} Received: 'every Monday' (string)."),
        ('rrule = "FREQ=FORTNIGHTLY"', f"rrule: {RRULE} Received: 'FREQ=FORTNIGHTLY' (string)."),
        ('rrule = "BYDAY=MO"', f"rrule: {RRULE} Received: 'BYDAY=MO' (string)."),
        ('rrule = "FREQ=DAILY;INTERVAL=0"', f"rrule: {RRULE} Received: 'FREQ=DAILY;INTERVAL=0' (string)."),
        ('rrule = "RDATE:20200101T000000"', f"rrule: {RRULE} Received: 'RDATE:20200101T000000' (string)."),
        (
            'rrule = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"',
            f"rrule: {TIME} Received: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30' (string).",
        ),
        (
            'rrule = "FREQ=MINUTELY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=30"',  # dateutil needs minutes to search to year 9999
            f"rrule: {TIME} Received: 'FREQ=MINUTELY;BYHOUR=3;BYMONTH=2;BYMONTHDAY=30' (string).",
        ),
        (
            'rrule = "FREQ=YEARLY;INTERVAL=40;BYMONTH=1;BYMONTHDAY=1;BYDAY=TU"',  # comes after 2055: the search ends
            f"rrule: {TIME} Received: 'FREQ=YEARLY;INTERVAL=40;BYMONTH=1;BYMONTHDAY=1;BYDAY=TU' (string).",
        ),
        (
            'rrule = "FREQ=DAILY;UNTIL=20300101T000000Z"',
            "rrule: expected UNTIL without Z, because it is a local time in `timezone`. "
            "Received: 'FREQ=DAILY;UNTIL=20300101T000000Z' (string).",
        ),
        ('rrule = "FREQ=DAILY;UNTIL=20191231"', f"rrule: {TIME} Received: 'FREQ=DAILY;UNTIL=20191231' (string)."),
        ('interval = "6x"', f"interval: {UNIT} Received: '6x' (string)."),
        ('interval = "500ms"', f"interval: {UNIT} Received: '500ms' (string)."),
        ('interval = "0 hours"', f"interval: {WHOLE} Received: '0 hours' (string)."),
        ('interval = "1.5 hours"', f"interval: {WHOLE} Received: '1.5 hours' (string)."),
        (
            'interval = "9999999999 weeks"',
            f"interval: expected a shorter time, {TIMES} Received: '9999999999 weeks' (string).",
        ),
        ('max_age = "old"', f"max_age: {SPAN} Received: 'old' (string)."),
        ('timezone = "Europe/Berln"', f"timezone: {ZONE} Received: 'Europe/Berln' (string)."),
        ('timezone = "../etc/passwd"', f"timezone: {ZONE} Received: '../etc/passwd' (string)."),
        ('timezone = ""', f"timezone: {ZONE} Received: '' (string)."),
        ("min_new = 0", "min_new: expected greater than 0. Received: 0 (integer)."),
        ("on_error = true", "on_error: true needs logged predictions. Add a table [pipelines.small.monitor]."),
        ('timeout = "soon"', f"timeout: {SPAN} Received: 'soon' (string)."),
        (
            'chron = "0 6 * * 1"',
            "unknown key 'chron'. Did you mean 'cron'? Known: budget, cron, interval, max_age, min_new, "
            "on_error, on_event, rrule, timeout, timezone.",
        ),
    ],
)
def test_what_does_not_hold_is_told_by_table_and_key(project: Path, lines: str, said: str) -> None:
    with pytest.raises(RequestError) as refused:
        load(project, lines)
    assert unnumbered(refused.value) == f"pipelines.toml [pipelines.small.schedule] {said}"


@pytest.mark.parametrize(
    ("rule", "ended"),
    [
        ("FREQ=DAILY", False),
        ("FREQ=SECONDLY;UNTIL=20300601", False),
        ("FREQ=SECONDLY;UNTIL=20300531", True),
        ("FREQ=WEEKLY;UNTIL=20300605", False),  # a Wednesday, as the first day of 2020
        ("FREQ=WEEKLY;UNTIL=20300604", True),
        ("FREQ=DAILY;UNTIL=20300601", False),
        ("FREQ=DAILY;UNTIL=20300531", True),
        ("FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=2;COUNT=11", False),
        ("FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=2;COUNT=10", True),  # the last time was in 2029
        ("freq=daily;count=5", True),
    ],
)
def test_a_rule_ends_by_its_date_or_by_its_count_from_2020(rule: str, ended: bool) -> None:
    assert has_ended(rule, datetime(2030, 5, 31, 12)) is ended
    assert Schedule(rrule=rule).rrule == rule  # a project stays readable on the day after


def test_two_clocks_are_one_too_many(project: Path) -> None:
    with pytest.raises(RequestError) as refused:
        load(project, 'cron = "0 6 * * 1"\ninterval = "1 day"')
    assert unnumbered(refused.value) == (
        "pipelines.toml [pipelines.small.schedule] expected one of cron, interval and rrule; cron and interval are set."
    )


@pytest.mark.parametrize("lines", ["", 'interval = "6 hours"', "on_event = true"])
def test_a_time_zone_that_nothing_reads_is_refused(project: Path, lines: str) -> None:
    with pytest.raises(RequestError) as refused:
        load(project, f'{lines}\ntimezone = "Europe/Berlin"')
    assert unnumbered(refused.value) == (
        "pipelines.toml [pipelines.small.schedule] expected cron or rrule with timezone = 'Europe/Berlin', "
        "which nothing else uses."
    )


def test_the_zone_by_default_needs_no_clock() -> None:
    assert Schedule(**Schedule().model_dump()) == Schedule()  # as a run record keeps it


def test_mistakes_of_a_schedule_are_told_at_once(project: Path) -> None:
    with pytest.raises(RequestError) as refused:
        load(project, 'cron = "often"\ntimezone = "Mars"')
    assert [line.partition(": ")[0] for line in unnumbered(refused.value).splitlines()] == [
        "pipelines.toml [pipelines.small.schedule] cron",
        "pipelines.toml [pipelines.small.schedule] timezone",
    ]


def test_without_a_schedule_nobody_pays_for_reading_one(project: Path) -> None:
    code = "import sys; from gristmill.config.catalogue import load; load()\n"
    code += "print(sorted({'cronsim', 'dateutil'} & {*sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"
