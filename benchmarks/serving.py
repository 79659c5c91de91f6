"""Compare `gristmill serve` with direct calls of the SavedModel.

    benchmarks/serving.py [--requests 3000] [--write]

A table of statsmodels, learned as `gristmill init` proposes, is served on loopback. Each request asks for one row, over
a connection that is kept. The bare call is that of the same SavedModel, loaded by TensorFlow in this process. The last
line is the time from a promotion to the first answer of the new version.
"""

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import selection_projects as projects
import tensorflow as tf
from measuring import GRISTMILL, arguments, process, table, tell

from gristmill.project.project import Project

CLIENTS = (1, 8)
NAME = projects.NAME
ROW = "rows"
SWAPS = 10


def milliseconds(call: Callable[[], object], count: int) -> list[float]:
    """Return the duration of each of some calls."""
    durations = []
    for _ in range(count):
        begin = time.perf_counter()
        call()
        durations.append(1000 * (time.perf_counter() - begin))
    return durations


def asked(address: str, path: str, body: bytes, clients: int, count: int) -> tuple[list[float], float]:
    """Return the duration of each request of some concurrent clients, and all requests by second."""

    def ask(_: int) -> list[float]:
        with httpx.Client(base_url=address, timeout=60) as client:

            def call() -> None:
                client.request("POST" if body else "GET", path, content=body).raise_for_status()

            milliseconds(call, 20)
            return milliseconds(call, count // clients)

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        durations = [one for found in pool.map(ask, range(clients)) for one in found]
    return durations, (len(durations) + 20 * clients) / (time.perf_counter() - begin)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run `gristmill serve` on a free port and yield its address."""
    command = [GRISTMILL, "serve", NAME, "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as running:
        try:
            lines = (re.match(r"docs +(\S+)/docs", line) for line in running.stdout or ())
            yield next(line[1] for line in lines if line)
        finally:
            running.kill()


def swap(folder: Path, address: str) -> float:
    """Promote the other version, and return the seconds until it answers."""
    project = Project.open(folder)
    other = 3 - (project.champion(NAME) or 0)
    project.promote(NAME, other)
    begin = time.perf_counter()
    with httpx.Client(base_url=address) as client:
        while client.get(f"/v1/models/{NAME}").json()["version"] != other:
            time.sleep(0.01)
    return time.perf_counter() - begin


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--requests", type=int, default=3_000, help="requests of each line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        projects.init(folder, "tabular", "package://statsmodels/datasets/fair/fair.csv")
        process([GRISTMILL, "-q", "run", NAME], folder)
        process([GRISTMILL, "promote", NAME], folder)
        process([GRISTMILL, "-q", "run", NAME, "--set", "model.kind=least_squares"], folder)
        project = Project.open(folder)
        project.promote(NAME, run=next(iter(project.runs.newest_first(NAME))).id)
        project.promote(NAME, 1)
        lines = list(measured(folder, project, options.requests))
    columns = ["call", "clients", "p50 ms", "p99 ms", "requests/s"]
    tell("Serving", [*table(columns, lines)], options.write)


def measured(folder: Path, project: Project, count: int) -> Iterator[list[str]]:
    """Yield the lines of the table."""
    bundle = project.served(NAME)[1]
    sample = json.loads((bundle / "sample_request.json").read_text())
    sample["instances"] = sample["instances"][:1]
    loaded = tf.saved_model.load(bundle / "saved_model")
    call = loaded.signatures["serving_default"]
    given = sample["instances"][0]
    tensors = {name: tf.constant([value]) for name, value in (given if isinstance(given, dict) else {}).items()}
    bare = (lambda: call(**tensors)) if tensors else (lambda: call(tf.constant([given])))
    milliseconds(bare, 20)
    yield line("SavedModel in the process", 1, milliseconds(bare, count))
    inputs = json.loads((bundle / "signature.json").read_text())
    columns = [name for taken in inputs["inputs"].values() for name in taken["columns"]]
    row = json.dumps({"rows": [dict.fromkeys(columns, 1)]}).encode()
    with serving(folder) as address:
        for path, body in (
            ("/health/live", b""),
            (f"/v1/models/{NAME}:predict", json.dumps(sample).encode()),
            (f"/predict/{NAME}", row),
        ):
            for clients in CLIENTS:
                durations, rate = asked(address, path, body, clients, count)
                yield line(path, clients, durations, rate)
        seconds = [swap(folder, address) for _ in range(SWAPS)]
        yield ["promotion to first answer", "1", f"{1000 * np.median(seconds):.0f}", f"{1000 * max(seconds):.0f}", ""]


def line(name: str, clients: int, durations: list[float], rate: float | None = None) -> list[str]:
    """Return the cells of a line."""
    p50, p99 = np.percentile(durations, [50, 99])
    return [name, f"{clients}", f"{p50:.2f}", f"{p99:.2f}", f"{rate or 1000 / np.mean(durations):,.0f}"]


if __name__ == "__main__":
    main()
