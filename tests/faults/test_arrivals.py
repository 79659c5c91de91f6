"""Bad arrivals of a daily series: the forecast stays, the reason is named, and the repaired source is used again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.project.project import Project
from gristmill.runs.records import Record
from helpers.support import Command, edit, records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("parity_here", "prefect_api"), pytest.mark.slow]

TOML = """
[pipelines.shop]
domain = "timeseries"
source = { kind = "csv", path = "shop.csv" }
ingest = { time = "day", target = "sold" }
preprocess = { history = 14, horizon = 7, validation = 28, test = 28, season = 7 }
model = { kind = "linear" }
evaluate = { baselines = ["naive"] }
export = { formats = ["keras"] }
gate = { window = 14 }
"""
KNOWN, NEW = 300, 14
Table = pd.DataFrame
Form = Callable[[Table], "Table | str | None"]


def sales() -> Table:
    """Return daily sales up to yesterday: known rows and new ones."""
    noise = np.random.default_rng(0).normal(0, 5, KNOWN + NEW)
    yesterday = pd.Timestamp.now("UTC").tz_localize(None).normalize() - pd.Timedelta("1D")
    days = pd.date_range(end=yesterday, periods=KNOWN + NEW)
    wave = 20 * np.sin(2 * np.pi * np.arange(KNOWN + NEW) / 7)
    return Table({"day": days.strftime("%Y-%m-%d"), "sold": (100 + wave + noise).round(2)})


def write(folder: Path, table: "Table | str") -> None:
    (folder / "shop.csv").write_text(table if isinstance(table, str) else table.to_csv(index=False))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, parity_here: None) -> Path:
    """A project whose champion knows the first rows. Not to be written to: copy it."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "pipelines.toml").write_text(TOML)
    write(folder, sales()[:KNOWN])
    project = Project.open(folder)
    project.run("shop")
    project.promote("shop")
    return folder


@pytest.fixture
def serving(project: Path, shop: Path) -> Path:
    """The current folder of the test, with a champion."""
    shutil.copytree(shop, project, dirs_exist_ok=True, symlinks=True)
    return project


def last_values(count: int, change: Callable[["pd.Series[float]"], object]) -> Form:
    """Return a change of the last values."""

    def form(table: Table) -> None:
        table.loc[table.index[-count:], "sold"] = change(table["sold"].iloc[-count:])

    return form


def all_values(change: Callable[["pd.Series[float]"], object]) -> Form:
    return last_values(KNOWN + NEW, change)


def moved(distance: str) -> Form:
    def form(table: Table) -> Table:
        times = pd.to_datetime(table["day"]) + pd.Timedelta(distance)
        return table.assign(day=times.dt.strftime("%Y-%m-%d %H:%M"))

    return form


def with_future(table: Table) -> Table:
    """Add 95 days after today."""
    days = pd.date_range(table["day"].iloc[-1], periods=96)[1:].strftime("%Y-%m-%d")
    return pd.concat([table, Table({"day": days, "sold": table["sold"].iloc[:95].to_numpy()})])


def in_zone(table: Table) -> None:
    table.loc[table.index[-NEW:], "day"] += "T00:00:00+02:00"


SET_ASIDE = {
    "rows in the future": (41, with_future, "rows are later than the clock"),
    "a stuck sensor": (42, last_values(NEW, lambda y: y.iloc[0]), "consecutive rows"),
    "a sensor stuck for long": (42, last_values(250, lambda y: y.iloc[0]), "consecutive rows"),
    "no spread": (42, last_values(NEW, lambda y: 100 + y / 1e4), "consecutive rows"),
    "cut inside the last number": (
        43,
        lambda table: table.to_csv(index=False)[:-4],
        "the last row does not end with a line break",
    ),
    "last values x 100": (44, last_values(3, lambda y: 100 * y), "too far from the value before in"),
    "zeros": (44, last_values(NEW, lambda y: 0.0), "outside the known range"),
    "another sign": (44, last_values(NEW, lambda y: -y), "outside the known range"),
    "revised and x 100": (44, last_values(NEW + 10, lambda y: 100 * y), "too far from the value before in"),
    "all x 100": (44, all_values(lambda y: 100 * y), "the unit of 'sold' changed: now = 100 × before"),
    "all x 1,000": (44, all_values(lambda y: 1000 * y), "the unit of 'sold' changed: now = 1,000 × before"),
    "in Fahrenheit": (44, all_values(lambda y: (1.8 * y + 32).round(2)), "changed: now = 1.8 × before + 32"),
    "moved by hours": (45, moved("-5h"), "all times moved by -5 hours"),
    "moved by a day": (45, moved("-1D"), "all times moved by -1 day"),
    "half of the rows lost": (46, lambda table: table[KNOWN // 2 :], "known rows are missing, the first:"),
}
REFUSED = {
    "duplicates": (46, lambda table: pd.concat([table, table[-20:]]), "20 duplicates"),
    "a renamed column": (46, lambda table: table.rename(columns={"sold": "units"}), "no column 'sold'"),
    "a mixed time zone": (46, in_zone, "not a time in the format of the others"),
}
FORMS = [
    pytest.param(form, why, name in SET_ASIDE, id=name, marks=pytest.mark.fault(number))
    for name, (number, form, why) in (SET_ASIDE | REFUSED).items()
]


@pytest.mark.parametrize(("form", "why", "is_set_aside"), FORMS)
def test_a_bad_arrival_changes_no_forecast(
    form: Form, why: str, is_set_aside: bool, serving: Path, command: Command
) -> None:
    before = command("-q", "predict", "shop")
    assert (before.status, before.err) == (0, "")

    # The arrival is set aside, and named.
    table = sales()
    changed = form(table)
    write(serving, table if changed is None else changed)
    said = command("-q", "retrain", "shop")
    assert said.status == 1
    assert why in said.err
    after = command("-q", "predict", "shop")
    assert after.out == before.out
    assert why in after.err
    assert bool(newest(serving).set_aside) == is_set_aside
    if is_set_aside:
        assert "read was set aside; the last good data is in use" in command("ls").err
        assert "set aside" in command("history", "shop").out

    # After the repair, it is used without a setting.
    write(serving, sales())
    assert command("-q", "retrain", "shop").status in (0, 3)
    assert newest(serving).outcome == "succeeded"
    repaired = command("-q", "predict", "shop")
    assert repaired.err == ""
    assert repaired.out != before.out


def newest(folder: Path) -> Record:
    return records(folder, "shop")[-1]


@pytest.mark.fault(44)
def test_an_arrival_is_accepted_once_and_the_next_one_is_judged_by_it(serving: Path, command: Command) -> None:
    table = sales()
    table["sold"] *= 100
    write(serving, table[: KNOWN + 7])
    for _ in range(2):
        assert command("retrain", "shop").status == 1

    assert command("retrain", "shop", "--accept").status in (0, 3)

    assert list(newest(serving).accepted) == ["max_revised"]
    assert "accepted" in command("history", "shop").out
    write(serving, table)
    assert command("retrain", "shop").status in (0, 3)
    assert newest(serving).accepted == {}


@pytest.mark.fault(44)
def test_a_rollback_returns_to_the_data_of_the_version(serving: Path, command: Command) -> None:
    before = command("-q", "predict", "shop").out
    table = sales()
    all_values(lambda y: 100 * y)(table)
    write(serving, table)
    assert command("run", "shop", "--accept").status == 0
    assert command("promote", "shop").status == 0
    assert command("-q", "predict", "shop").out != before

    said = command("rollback", "shop")

    assert said.out.splitlines() == [
        "shop: v1 is the champion (before: v2)",
        f"withdrawn: the data of 1 later run; predictions use that of run {records(serving, 'shop')[0].id}",
        "next retraining: uses the source again once its content has changed",
    ]
    after = command("-q", "predict", "shop")
    assert after.out == before
    assert "which a rollback has withdrawn" in after.err
    assert "was withdrawn by a rollback; the last good data is in use" in command("ls").err
    # Neither a retraining nor a run uses the data again, until it is accepted; then it is known.
    assert "used data that a rollback has withdrawn" in command("promote", "shop").err
    for again in ("retrain", "run"):
        assert command(again, "shop").status == 1
        assert list(newest(serving).set_aside) == ["rollback"]
    assert command("run", "shop", "--accept").status == 0
    assert command("run", "shop").status == 0
    assert command("-q", "predict", "shop").err == ""


@pytest.mark.fault(44)
def test_promoting_a_version_again_brings_its_data_back(serving: Path, command: Command) -> None:
    table = sales()
    all_values(lambda y: 100 * y)(table)
    write(serving, table)
    assert command("run", "shop", "--accept").status == 0
    assert command("promote", "shop").status == 0
    assert command("retrain", "shop").status == 0  # nothing new, from the same data
    bad = command("-q", "predict", "shop").out
    assert command("rollback", "shop").status == 0

    assert command("promote", "shop", "2").status == 0

    assert command("ls").err == ""
    after = command("-q", "predict", "shop")
    assert (after.out, after.err) == (bad, "")


@pytest.mark.fault(44)
def test_a_rollback_without_an_earlier_version_withdraws_newer_data(serving: Path, command: Command) -> None:
    before = command("-q", "predict", "shop").out
    table = sales()
    last_values(NEW, lambda y: 0.0)(table)
    write(serving, table)
    assert command("run", "shop", "--accept").status == 0
    assert command("-q", "predict", "shop").out != before

    assert command("rollback", "shop").out.startswith("shop: v1 is the champion\nwithdrawn: the data of 1 later run")

    assert command("-q", "predict", "shop").out == before
    assert command("rollback", "shop").status == 2
    assert command("promote", "shop", "1").status == 0  # it brings the data of no other run back
    assert command("-q", "predict", "shop").out == before


@pytest.mark.fault(44)
def test_a_rule_that_the_known_data_breaks_is_refused(serving: Path, command: Command) -> None:
    edit(serving / "pipelines.toml", "gate = ", "arrivals = { max_step = 0.1 }\ngate = ")

    said = command("retrain", "shop")

    assert said.status == 2
    assert "[pipelines.shop.arrivals] max_step: the known data itself breaks this rule: 'sold'" in said.err
    assert command("-q", "predict", "shop").err == ""  # what serves goes on


@pytest.mark.fault(44)
def test_gc_keeps_the_data_that_arrivals_are_compared_with(serving: Path, command: Command) -> None:
    write(serving, sales())
    assert command("retrain", "shop").status in (0, 3)
    good = newest(serving)
    for factor in (100, 1000):
        table = sales()
        table["sold"] *= factor
        write(serving, table)
        assert command("retrain", "shop").status == 1

    assert command("gc").status == 0

    assert command("retrain", "shop").status == 1
    assert f"the data that run {good.id} read" in command("-q", "predict", "shop").err
