"""A project with its own Prefect server and workers, as real processes.

PYTEST_DONT_REWRITE: it asserts nothing but that it did not wait too long.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from conftest import ROOT
from helpers.servers import answers, make_prefect_home
from helpers.webhook import Webhook

# A worker stops itself by SIGINT, which background jobs of a shell and their children ignore by default.
HEARING = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
PREFECT = f"{HEARING}runpy.run_module('prefect', run_name='__main__')"
GRISTMILL = f"{HEARING}from gristmill.cli.app import main; main()"
PATIENCE = 400  # seconds, for anything


@dataclass
class Site:
    """A project, its Prefect server and its workers; every process is stopped by its id."""

    folder: Path  # what the programs write; the project is in `project`
    port: int
    webhook: Webhook
    pipelines: tuple[str, ...]
    client: httpx.Client
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "OPS_URL": self.webhook.url,
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_LOGGING_LEVEL": "INFO",
            "PREFECT_SERVER_API_PORT": str(self.port),
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def start(self, name: str, *words: str, code: str = PREFECT) -> None:
        """Start one of Prefect's programs, in a folder that is not the project's, or the command in the project."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-P", "-c", code, *words],
                cwd=self.folder if code == PREFECT else self.project,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def start_server(self) -> None:
        self.start("server", "server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        self.wait(lambda: answers(self.api), "the server")

    def start_worker(self, name: str) -> None:
        self.start(name, "worker", "start", "--pool", "gristmill", "--type", "process", "--name", name)

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        process = self.running.pop(name)
        process.send_signal(number)
        process.wait(180)  # a worker ends with the run that it has under way

    def gristmill(self, *words: str) -> str:
        """Run the command in the project and return what it printed."""
        line = [sys.executable, "-P", "-c", GRISTMILL, "-q", *words]
        done = subprocess.run(
            line, cwd=self.project, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout

    def post(self, path: str, **body: Any) -> Any:
        """Return what the server answers, asked again while its SQLite is busy, as Prefect's own client does."""
        for _ in range(60):
            answer = self.client.post(f"{self.api}/{path}", json=body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json()

    def runs(self, pipeline: str) -> list[dict[str, Any]]:
        """Return the retrainings of a pipeline, as the server has them."""
        deployments = {"name": {"any_": [f"{pipeline}-retrain"]}}
        found: list[dict[str, Any]] = self.post("flow_runs/filter", deployments=deployments)
        return found

    def local_runs(self) -> list[dict[str, Any]]:
        """Return the runs of no deployment, as the server has them."""
        found: list[dict[str, Any]] = self.post("flow_runs/filter", flow_runs={"deployment_id": {"is_null_": True}})
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.post("events/filter", filter={"event": {"name": [name]}})["events"]
        return found

    def log(self, pipeline: str) -> list[str]:
        """Return what Prefect's page shows of the retrainings of a pipeline, line by line."""
        runs = {"flow_run_id": {"any_": [run["id"] for run in self.runs(pipeline)]}}
        return [line["message"] for line in self.post("logs/filter", logs=runs)]

    def states(self, pipeline: str) -> list[str]:
        """Return the sorted states of a pipeline's retrainings, without those that are only scheduled."""
        return sorted(run["state_name"] for run in self.runs(pipeline) if run["state_name"] != "Scheduled")

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds; the error names the folder of the logs."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                states = {name: self.states(name) for name in self.pipelines} if answers(self.api) else "no server"
                raise AssertionError(f"waited {PATIENCE} s for {what}: {states}, logs in {self.folder}")
            time.sleep(0.5)

    def wait_for(self, pipeline: str, holds: Callable[[list[str]], bool], what: str) -> None:
        self.wait(lambda: holds(self.states(pipeline)), f"{pipeline}: {what}")

    def process_of(self, pipeline: str) -> int:
        """Wait until a retraining is at its network, held there, and return the id of its process."""
        file = self.project / f"{pipeline}.pid"
        self.wait(file.exists, f"{pipeline} to build its network")
        self.wait_for(pipeline, lambda states: "Running" in states, "running")
        return int(file.read_text())

    def hold(self, pipeline: str) -> None:
        (self.project / f"{pipeline}.pid").unlink(missing_ok=True)
        (self.project / f"{pipeline}.hold").touch()

    def let_go(self, pipeline: str) -> None:
        (self.project / f"{pipeline}.hold").unlink()

    def verdicts(self, pipeline: str) -> list[tuple[str, int]]:
        return verdicts(self.project, pipeline)


def verdicts(project: Path, pipeline: str) -> list[tuple[str, int]]:
    """Return what the finished retrainings of a pipeline came to, oldest first, and the rows that were new."""
    files = sorted((project / "data/store/runs" / pipeline).glob("*.json"))
    retrainings = [json.loads(file.read_text())["retraining"] for file in files]
    return [(each["verdict"], each["news"]["later"]) for each in retrainings if each and each["verdict"]]


@contextmanager
def site_started(folder: Path, webhook: Webhook, pipelines: tuple[str, ...]) -> Iterator[Site]:
    """Yield a project folder with a port for its server; the programs that were started end with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    make_prefect_home(folder / "prefect")
    with httpx.Client(timeout=60) as client:
        site = Site(folder, port, webhook, pipelines, client)
        site.project.mkdir(parents=True)
        try:
            yield site
        finally:
            for name in list(site.running)[::-1]:
                site.stop(name)
