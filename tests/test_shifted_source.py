"""A source whose level shifts: alarm, message, recovery, rollback and hold."""

from pathlib import Path

import numpy as np
import pytest

from helpers.site import verdicts
from helpers.support import Command, Said
from helpers.webhook import TABLE, Webhook

pytest_plugins = ["helpers.end_to_end", "helpers.webhook"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api", "parity_here")]

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
monitor = {{ keep = "90 days" }}
"""
NORMAL, ARRIVAL, SHIFT = 400, 10, 150.0  # days, days in an arrival, the shift in visits


def write_days(days: int) -> None:
    """Write so many days; those after the normal ones are on another level."""
    at = np.arange(days)
    visits = 100 + 20 * np.sin(2 * np.pi * at / 7) + np.random.default_rng(1).normal(0, 4, 1000)[:days]
    visits += SHIFT * (at >= NORMAL)
    dates = np.datetime64("2024-01-01") + at
    lines = [f"{date},{value:.2f}" for date, value in zip(dates, visits, strict=True)]
    Path("visits.csv").write_text("day,visits\n" + "\n".join(lines) + "\n")


def retrain(command: Command) -> tuple[str, Said]:
    """Retrain and return the verdict, and what the command printed."""
    before = len(verdicts(Path.cwd(), "visits"))
    said = command("retrain", "visits", "--accept")
    found = verdicts(Path.cwd(), "visits")
    assert len(found) == before + 1, said.err
    return found[-1][0], said


def predicted(command: Command) -> float:
    """Return the mean of the forecast that is served and logged."""
    lines = command("predict", "visits").out.splitlines()
    at = lines[0].split(",").index("visits")
    return float(np.mean([float(line.split(",")[at]) for line in lines[1:]]))


def live_error(command: Command, version: str) -> float:
    """Return the error of the logged predictions of a version."""
    groups = command("monitor", "visits", "--json").json["groups"]
    return float(next(group["mae"] for group in groups if (group["by"], group["group"]) == ("version", version)))


def test_a_shift_is_reported_and_recovered_from_and_a_rollback_is_kept(
    tmp_path: Path, command: Command, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines.toml").write_text(PIPELINE)
    write_days(NORMAL)
    assert retrain(command)[0] == "promoted"
    assert abs(predicted(command) - 100) < 40

    # The level shifts: too few days for an ordinary judgement, but the alarm lets a simple forecaster take over.
    arrivals, verdict = 0, ""
    while verdict != "promoted":
        arrivals += 1
        assert arrivals <= 2, verdict
        write_days(NORMAL + arrivals * ARRIVAL)
        verdict, said = retrain(command)
    assert abs(predicted(command) - 100 - SHIFT) < 40
    assert "\nrecovery " in said.err
    assert sorted(webhook.subjects) == ["visits: drift", "visits: version 1 promoted", "visits: version 2 promoted"]

    # The predictions of both versions are scored when their days have come.
    write_days(NORMAL + (arrivals + 1) * ARRIVAL)
    retrain(command)
    assert live_error(command, "v1") > 0.8 * SHIFT
    assert live_error(command, "v2") < 0.2 * SHIFT

    # Somebody goes back and holds: the next retraining does not replace what was chosen by hand.
    assert command("rollback", "visits").status == 0
    assert abs(predicted(command) - 100) < SHIFT / 2
    assert command("promote", "visits", "1", "--hold").status == 0
    write_days(NORMAL + (arrivals + 4) * ARRIVAL)
    assert retrain(command)[0] == "waiting"
    assert abs(predicted(command) - 100) < SHIFT / 2
