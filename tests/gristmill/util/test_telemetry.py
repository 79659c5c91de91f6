"""Prefect's usage reports: none is sent unless the user asks for it.

Prefect imports the package `amplitude` to send them. Here a stub takes its place and writes down what it is given.
"""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.util import telemetry

ROOT = Path(__file__).parents[3]

STUB = """
import os


class Config:
    def __init__(self, **_):
        pass


class BaseEvent:
    def __init__(self, event_type, **_):
        self.event_type = event_type


class Amplitude:
    def __init__(self, *_):
        pass

    def track(self, event):
        with open(os.environ["REPORTS"], "a") as file:
            print(event.event_type, file=file)

    def flush(self):
        pass

    def shutdown(self):
        pass
"""

UNIT = """
from gristmill.workers.process import Processes
from gristmill.workers.process import Unit

workers = Processes(1)
done = workers.run(Unit("timeseries", {"pipeline": "small", "project": "."}))
workers.close()
assert not done.failed, done.failed
"""

# Prefect reports from a background thread, which a process that ends at once does not wait for.
IMPORT = """
import os
import time
import gristmill.flows.timeseries

until = time.monotonic() + float(os.environ.get("WAIT", "3"))
while time.monotonic() < until and not os.path.exists(os.environ["REPORTS"]):
    time.sleep(0.1)
"""

RUN = ["-P", "-m", "gristmill", "-q", "run", "small"]


def reports(project: Path, *words: str, **variables: str) -> list[str]:
    """Run Python in a terminal as a new user does, and return the events that Prefect reports."""
    from prefect._internal.analytics.ci_detection import CI_ENV_VARS

    (project / "stub" / "amplitude").mkdir(parents=True)
    (project / "stub" / "amplitude" / "__init__.py").write_text(STUB)
    (project / "home").mkdir()
    # Other tests may have named a server, which Prefect asks whether to report.
    inherited = {name for name in os.environ if not name.startswith("PREFECT_")} - CI_ENV_VARS - {"DO_NOT_TRACK"}
    environment = {name: os.environ[name] for name in inherited} | variables
    environment |= {
        "HOME": str(project / "home"),
        "PREFECT_HOME": str(project / "home" / "prefect"),
        "PYTHONPATH": os.pathsep.join([str(project / "stub"), str(ROOT)]),
        "REPORTS": str(project / "reports"),
    }
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *words], cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=terminal
    )
    os.close(terminal)
    assert process.wait(300) == 0, os.read(master, 65536).decode()
    os.close(master)
    file = project / "reports"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("words", [["-c", IMPORT], RUN, ["-P", "-c", UNIT]], ids=["import", "run", "worker"])
def test_a_new_user_sends_no_reports(project: Path, words: list[str]) -> None:
    assert reports(project, *words) == []


@pytest.mark.slow
def test_a_user_who_asks_for_reports_sends_them(project: Path) -> None:
    asked = {"DO_NOT_TRACK": "0", "PREFECT_SERVER_ANALYTICS_ENABLED": "true", "WAIT": "60"}
    assert "first_sdk_import" in reports(project, "-c", IMPORT, **asked)


def test_variables_that_are_set_already_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"DO_NOT_TRACK": "0"})

    telemetry.opt_out()

    assert os.environ == {"DO_NOT_TRACK": "0", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
