"""Messages about real retrainings are sent once each, even if processes are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import ROOT, SMALL
from gristmill.config.catalogue import load
from gristmill.errors import DataError
from gristmill.project.project import Project
from gristmill.retraining.notification_delivery import deliver
from gristmill.util.processes import is_running
from helpers.servers import make_prefect_home
from helpers.support import Command, edit, wait_until
from helpers.webhook import TABLE, Webhook

pytest_plugins = ["helpers.end_to_end", "helpers.webhook"]
pytestmark = pytest.mark.usefixtures("parity_here")

RULES = f"""{TABLE}
rejections = 2

[pipelines.small.freshness]
max_age_of_data = "2 days"

[pipelines.small.gate]
window = 24
"""
ROWS = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()
PATIENCE = 200  # seconds, for anything but a message


def write_months(project: Path, months: int, normal: int) -> None:
    """Write so many months, those after the first normal ones far too high."""
    lines = [f"{line.partition(',')[0]},{900 + at}" if at > normal else line for at, line in enumerate(ROWS)]
    (project / "series.csv").write_text("\n".join(lines[: months + 1]) + "\n")


@pytest.mark.slow
def test_each_outcome_is_reported_once(project: Path, prefect_api: str, command: Command, webhook: Webhook) -> None:
    with (project / "pipelines.toml").open("a") as file:
        file.write(RULES)

    assert command("retrain", "small", "--set", "preprocess.history=400").status == 1  # somebody tries something
    assert webhook.received == []

    assert command("retrain", "small").status == 0
    assert command("retrain", "small").status == 0  # without Prefect, for nothing is new
    assert sorted(webhook.subjects) == ["small: no new data", "small: version 1 promoted"]

    edit(project / "pipelines.toml", "window = 24", "window = 24\nmargin = 0.999")
    for months in (330, 331, 332):
        write_months(project, months, normal=months)
        assert command("retrain", "small").status == 3
    assert webhook.subjects[2:] == ["small: 2 challengers rejected in a row"]

    for months in (340, 341):
        write_months(project, months, normal=332)
        command("retrain", "small")
    told = webhook.subjects[3:]
    assert told[0] == "small: drift"
    assert len(told) == len(set(told))

    (project / "series.csv").write_text("month,sunspots\n")
    assert command("retrain", "small").status == 1
    assert command("retrain", "small").status == 1
    (project / "series.csv").unlink()
    assert command("retrain", "small").status == 1
    assert webhook.subjects[3 + len(told) :] == ["small: retraining failed"] * 2
    assert "Error: DataError: " in webhook.received[-1][1]


def test_a_retraining_whose_data_is_missing_is_told(project: Path, webhook: Webhook) -> None:
    with (project / "pipelines.toml").open("a") as file:
        file.write(TABLE)
    (project / "series.csv").unlink()

    for _ in range(2):
        with pytest.raises(DataError) as raised:
            Project.open(project).retrain("small")

    ((subject, body),) = webhook.received
    assert subject == "small: retraining failed"
    assert f"Error: DataError: {raised.value}\n" in body


SLOW = '''
"""A network whose build notes its process and waits while a file is there."""
import os
import time
from pathlib import Path


def build(shape):
    import keras

    Path("building.pid").write_text(str(os.getpid()))
    while Path("hold").exists():
        time.sleep(0.1)
    window = keras.Input((shape.history, shape.columns))
    return keras.Model(window, keras.layers.Dense(shape.outputs)(shape.lags(window)))
'''
SCHEDULE = """
[pipelines.small.train]
epochs = 1

[pipelines.small.schedule]
interval = "5 seconds"
"""


@contextmanager
def scheduled(project: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `gristmill schedule` in a project; at the end it is interrupted, unless it was killed."""
    environment = os.environ | {"PREFECT_HOME": str(make_prefect_home(project / "prefect")), "PYTHONPATH": str(ROOT)}
    environment.pop("PREFECT_API_URL", None)
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from gristmill.cli.app import main; main()"
    with (project / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, "schedule"], env=environment, stderr=log, stdout=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def building(project: Path) -> int:
    """Wait until a retraining builds its network, and return the ID of its process."""
    file = project / "building.pid"
    wait_until(lambda: file.exists() and file.read_text() != "", "a network to be built", PATIENCE)
    return int(file.read_text())


@pytest.mark.slow
def test_a_killed_retraining_of_a_schedule_is_told_once_within_a_minute(project: Path, webhook: Webhook) -> None:
    toml = SMALL.replace('kind = "linear"', 'kind = "slow.py:build"') + TABLE + SCHEDULE
    (project / "pipelines.toml").write_text(toml)
    (project / "slow.py").write_text(SLOW)
    (project / "hold").touch()

    with scheduled(project) as schedule:
        os.kill(building(project), signal.SIGKILL)
        wait_until(lambda: webhook.subjects == ["small: retraining killed"], "the message", 60)

        (project / "building.pid").unlink()
        second = building(project)
        schedule.kill()  # with its server; the retraining ends, too
        wait_until(lambda: not is_running(second), "the retraining to end", 60)
        wait_until(lambda: webhook.subjects == ["small: retraining killed"] * 2, "the second message", 60)

    assert deliver(load(project))
    assert webhook.subjects == ["small: retraining killed"] * 2
