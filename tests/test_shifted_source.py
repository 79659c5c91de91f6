"""A source whose level shifts: alarm, message, recovery, rollback and hold, with a real Prefect server and worker."""

from collections.abc import Iterator

import numpy as np
import pytest

from helpers.site import Site, site_started
from helpers.support import Command
from helpers.webhook import TABLE, webhook_started

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.slow

PIPELINE = f"""{TABLE}
[pipelines.visits]
domain = "timeseries"
source = {{ kind = "csv", path = "visits.csv" }}
ingest = {{ time = "day", target = "visits" }}
preprocess = {{ history = 14, horizon = 3, season = 7, validation = 40, test = 40 }}
model = {{ kind = "dense", units = [32] }}
train = {{ epochs = 150, batch_size = 64 }}
evaluate = {{ baselines = ["naive", "seasonal_naive"] }}
export = {{ formats = ["keras"] }}
gate = {{ window = 28 }}
schedule = {{ on_event = true }}
monitor = {{ keep = "90 days" }}
"""
NORMAL, ARRIVAL, SHIFT = 400, 10, 150.0  # days, days in an arrival, the shift in visits


def write_days(site: Site, days: int) -> None:
    """Write so many days; those after the normal ones are on another level."""
    at = np.arange(days)
    visits = 100 + 20 * np.sin(2 * np.pi * at / 7) + np.random.default_rng(1).normal(0, 4, 1000)[:days]
    visits += SHIFT * (at >= NORMAL)
    dates = np.datetime64("2024-01-01") + at
    lines = [f"{date},{value:.2f}" for date, value in zip(dates, visits, strict=True)]
    (site.project / "visits.csv").write_text("day,visits\n" + "\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with webhook_started() as webhook, site_started(tmp_path_factory.mktemp("site"), webhook, ("visits",)) as site:
        (site.project / "pipelines.toml").write_text(PIPELINE)
        write_days(site, NORMAL)
        site.start_server()
        site.gristmill("deploy")
        site.start_worker("worker")
        yield site


def retrain(site: Site) -> str:
    """Tell the server of new data, wait for the end of the retraining, and return its verdict."""
    before = len(site.verdicts("visits"))
    site.gristmill("updated", "visits")
    site.wait(lambda: len(site.verdicts("visits")) > before, "a retraining")
    site.wait_for("visits", lambda states: "Running" not in states, "the end of its process")
    return site.verdicts("visits")[-1][0]


def predicted(command: Command) -> float:
    """Return the mean of the forecast that is served and logged."""
    lines = command("predict", "visits").out.splitlines()
    at = lines[0].split(",").index("visits")
    return float(np.mean([float(line.split(",")[at]) for line in lines[1:]]))


def live_error(command: Command, version: str) -> float:
    """Return the error of the logged predictions of a version."""
    groups = command("monitor", "visits", "--json").json["groups"]
    return float(next(group["mae"] for group in groups if (group["by"], group["group"]) == ("version", version)))


@pytest.mark.fault(30)
def test_a_shift_is_reported_and_recovered_from_and_a_rollback_is_kept(
    site: Site, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_URL", site.webhook.url)
    monkeypatch.chdir(site.project)  # of the commands that are run in this process
    assert retrain(site) == "promoted"
    assert abs(predicted(command) - 100) < 40

    # The level shifts: too few days for an ordinary judgement, but the alarm lets a simple forecaster take over.
    write_days(site, NORMAL + ARRIVAL)
    arrivals = 1
    while retrain(site) != "promoted":
        arrivals += 1
        assert arrivals <= 2, site.log("visits")
        write_days(site, NORMAL + arrivals * ARRIVAL)
    assert abs(predicted(command) - 100 - SHIFT) < 40
    assert any(line.startswith("recovery ") for line in site.log("visits"))
    told = ["visits: version 1 promoted", "visits: drift", "visits: version 2 promoted"]
    site.wait(lambda: len(site.webhook.subjects) >= len(told), "the messages")
    assert sorted(site.webhook.subjects) == sorted(told)

    # The predictions of both versions are scored when their days have come.
    write_days(site, NORMAL + (arrivals + 1) * ARRIVAL)
    retrain(site)
    assert live_error(command, "v1") > 0.8 * SHIFT
    assert live_error(command, "v2") < 0.2 * SHIFT

    # Somebody goes back and holds: the next retraining does not replace what was chosen by hand.
    site.gristmill("rollback", "visits")
    assert abs(predicted(command) - 100) < SHIFT / 2
    site.gristmill("promote", "visits", "1", "--hold")
    write_days(site, NORMAL + (arrivals + 4) * ARRIVAL)
    assert retrain(site) == "waiting"
    assert abs(predicted(command) - 100) < SHIFT / 2
