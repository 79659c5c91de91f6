"""A project kept fresh by the real programs: a Prefect server, workers, and processes that are killed.

One story in the order of its waits: what is lost first is found last, while the rest goes on.
"""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from gristmill.util.processes import is_running
from helpers.servers import answers, make_prefect_home
from helpers.site import GRISTMILL, PATIENCE, Site, site_started
from helpers.support import wait_until
from helpers.webhook import TABLE, Webhook, webhook_started

pytestmark = pytest.mark.slow

PIPELINE = """
[pipelines.{name}]
domain = "timeseries"
source = {{ kind = "csv", path = "{name}.csv" }}
ingest = {{ time = "month", target = "sunspots" }}
preprocess = {{ history = 12, horizon = 1, validation = 40, test = 40 }}
model = {{ kind = "held.py:build", name = "{name}" }}
train = {{ epochs = 1 }}
evaluate = {{ levels = [0.1, 0.5, 0.9] }}
export = {{ formats = ["keras"] }}
gate = {{ window = 12 }}
schedule = {{ {schedule} }}
"""

HELD = '''
"""A network that waits to be built while a file is there, and begins as the naive forecast, good enough to serve."""
import os
import time
from pathlib import Path


def build(shape, name):
    import keras

    Path(f"{name}.pid").write_text(str(os.getpid()))
    while Path(f"{name}.hold").exists():
        time.sleep(0.1)
    window = keras.Input((shape.history, shape.columns))
    lags = shape.lags(window)
    change = keras.layers.Dense(shape.outputs, kernel_initializer="zeros")(lags)
    return keras.Model(window, lags[:, -1:] + change)
'''

ENGINE = "prefect.engine"  # module of the process of a run
SCHEDULES = {"clock": 'interval = "90 seconds"', "told": "on_event = true", "lost": "on_event = true"}
ROWS = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with webhook_started() as hook:
        yield hook


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, webhook: Webhook) -> Iterator[Site]:
    """Three deployed pipelines, of which one has a clock, beside packages of the user's that are named like ours."""
    with site_started(tmp_path_factory.mktemp("site"), webhook, tuple(SCHEDULES)) as site:
        for package in ("flows", "tasks"):
            (site.project / package).mkdir()
            (site.project / package / "__init__.py").write_text("raise SystemExit('not this one')\n")
        (site.project / "pipelines.toml").write_text(
            TABLE + "".join(PIPELINE.format(name=name, schedule=schedule) for name, schedule in SCHEDULES.items())
        )
        (site.project / "held.py").write_text(HELD)
        for name in SCHEDULES:
            (site.project / f"{name}.csv").write_text("\n".join(ROWS[:301]) + "\n")
        site.start_server()
        assert site.gristmill("deploy").splitlines() == [
            "+ work pool gristmill (type process)",
            "+ automation gristmill: silent runs",
            "+ automation gristmill: late runs in gristmill",
            *(
                f"+ deployment {each}"
                for name in SCHEDULES
                for each in (f"timeseries/{name}", f"retrain/{name}-retrain")
            ),
            f"wrote {site.project / 'prefect.yaml'}",
            "deployed 3 pipelines, 3 of them with automatic retraining",
            "clock-retrain every 90 seconds",
            "told-retrain when its data is updated",
            "lost-retrain when its data is updated",
            "start a worker to run them: prefect worker start --pool gristmill",
        ]
        site.start_worker("first")
        yield site


@pytest.mark.fault(30)
def test_a_project_is_kept_fresh_whatever_is_killed(site: Site) -> None:
    # A worker and the process that it started are killed together: nobody is left to tell the server.
    site.hold("lost")
    site.gristmill("updated", "lost")
    killed = site.process_of("lost")
    site.stop("first", signal.SIGKILL)
    os.kill(killed, signal.SIGKILL)
    assert site.states("lost") == ["Running"]
    site.let_go("lost")
    site.wait(lambda: "lost: retraining killed" in site.webhook.subjects, "the message")

    # So is a `gristmill run` on this server.
    site.hold("told")
    site.start("local", "run", "told", code=GRISTMILL)
    site.wait((site.project / "told.pid").exists, "the local run to build its network")
    site.stop("local", signal.SIGKILL)
    assert [run["state_name"] for run in site.local_runs()] == ["Running"]
    site.wait(lambda: "told: run killed" in site.webhook.subjects, "the message")
    site.start_worker("second")

    # A process that is killed under a living worker ends Crashed, and starts once more, but not twice.
    site.hold("told")
    site.gristmill("updated", "told")
    for _ in range(2):
        os.kill(site.process_of("told"), signal.SIGKILL)
        (site.project / "told.pid").unlink()
        site.wait_for("told", lambda states: "Running" not in states, "the killed one to end")
    time.sleep(10)
    assert site.states("told") == ["Crashed", "Crashed"]

    # Three events during the next one lead to one more, which sees the data that came with them.
    site.gristmill("updated", "told")
    site.process_of("told")
    with (site.project / "told.csv").open("a") as file:
        file.write("\n".join(ROWS[301:321]) + "\n")
    for _ in range(3):
        site.gristmill("updated", "told")
    site.wait_for("told", lambda states: len(states) == 6, "runs to wait")
    site.let_go("told")
    site.wait_for("told", lambda states: states.count("Cancelled") == 2, "two to be cancelled")
    site.wait(lambda: len(site.verdicts("told")) == 2, "the one more")
    assert site.verdicts("told")[0] == ("promoted", 300)
    assert site.verdicts("told")[1][1] == 20
    assert any(line.startswith("news       300 new") for line in site.log("told"))

    # The clock's retrainings see appended rows.
    site.wait(lambda: bool(site.verdicts("clock")), "a retraining by the clock")
    assert site.verdicts("clock")[0] == ("promoted", 300)
    with (site.project / "clock.csv").open("a") as file:
        file.write("\n".join(ROWS[301:321]) + "\n")
    site.wait(lambda: site.verdicts("clock")[-1][1] == 20, "the clock to see 20 rows")
    assert site.verdicts("clock")[-1][0] in ("promoted", "rejected")

    # What was lost first has been found by its silence.
    site.wait_for("lost", lambda states: states == ["Crashed"], "the lost one to be found")
    assert site.runs("lost")[0]["state"]["message"] == "No heartbeat for 90 s: its process has ended."
    site.wait(lambda: site.local_runs()[0]["state_name"] != "Running", "the local run to be found")
    assert [run["state"]["message"] for run in site.local_runs()] == ["No heartbeat for 90 s: its process has ended."]
    refused = [event["payload"]["reason"] for event in site.events("prefect.automation.action.failed")]
    assert [reason for reason in refused if "COMPLETED" in reason] == []  # no run that was done was taken for lost

    # A server that is stopped and started again still knows its schedules, and what was to be run meanwhile.
    deployments = {each["name"]: each for each in site.post("deployments/filter")}
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    site.post(
        f"deployments/{deployments['lost-retrain']['id']}/create_flow_run",
        state={"type": "SCHEDULED", "state_details": {"scheduled_time": soon}},
    )
    to_come = {run["id"] for run in site.runs("clock") if run["state_name"] == "Scheduled"}
    site.stop("server")
    site.start_server()
    assert {each["name"]: each["schedules"] for each in site.post("deployments/filter")} == {
        name: each["schedules"] for name, each in deployments.items()
    }
    assert to_come <= {run["id"] for run in site.runs("clock")}
    site.wait_for("lost", lambda states: states == ["Crashed", "Promoted"], "the run of the stopped server's time")
    assert site.verdicts("lost") == [("promoted", 300)]

    # Each kill and each first promotion is reported once.
    told = ["lost: retraining killed", "told: run killed", *["told: retraining killed"] * 2]
    told += [f"{name}: version 1 promoted" for name in SCHEDULES]
    assert sorted(subject for subject in site.webhook.subjects if subject in told) == sorted(told)


@pytest.mark.fault(30)
def test_updated_finds_the_schedule_of_its_store_and_ctrl_c_ends_all_of_it(project: Path) -> None:
    """Ctrl-C in a terminal reaches the schedule and the processes that it has started."""
    (project / "pipelines.toml").write_text(PIPELINE.format(name="small", schedule="on_event = true"))
    (project / "series.csv").rename(project / "small.csv")
    (project / "held.py").write_text(HELD)
    (project / "small.hold").touch()
    environment = os.environ | {"PREFECT_HOME": str(make_prefect_home(project / "prefect")), "PYTHONPATH": str(ROOT)}
    for name in ("PREFECT_API_URL", "PREFECT_LOGGING_LEVEL"):
        environment.pop(name, None)
    announced, log = project / "data/store/schedule.json", project / "out"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", GRISTMILL, "schedule"],
            cwd=project,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_until(announced.exists, "the schedule to say where its server is", PATIENCE)
        api = json.loads(announced.read_text())["api"]
        assert f"api  {api}\n" in log.read_text()
        told = subprocess.run(
            [sys.executable, "-P", "-c", GRISTMILL, "updated", "small"],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        wait_until(lambda: bool(builder(project)), "the retraining to build its network", PATIENCE)
        first = builder(project)
        assert [first] == children_of(process.pid, ENGINE)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: builder(project) not in (0, first), "the retraining to start once more", PATIENCE)
        assert [builder(project)] == children_of(process.pid, ENGINE)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
    wait_until(lambda: not is_running(builder(project)), "the retraining to end")
    wait_until(lambda: not answers(api), "the server to end")
    assert "Traceback" not in log.read_text()
    assert not announced.exists()
    with contextlib.closing(sqlite3.connect(project / "prefect/prefect.db")) as database:
        assert database.execute("select state_name from flow_run order by created").fetchall() == [
            ("Crashed",),
            ("Cancelled",),
        ]


def builder(project: Path) -> int:
    """Return the process that built the network of the pipeline last; 0 if none has."""
    file = project / "small.pid"
    return int(file.read_text() or 0) if file.exists() else 0


def children_of(process: int, program: str) -> list[int]:
    """Return the children of a process that run a program."""
    found = []
    for child in psutil.Process(process).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            found += [child.pid] if program in child.cmdline() else []
    return found
