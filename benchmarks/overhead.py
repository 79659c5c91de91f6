"""Measure how much longer `gristmill run` takes than the same Keras code in one script, and where the seconds go.

    benchmarks/overhead.py [--rounds 5] [--epochs 30] [--write]

Both forecast the sample of sunspots with the same windows, network, epochs, batch size, learning rate and seed, score
the same test set, and export a SavedModel and a .keras file. gristmill also computes baselines, calibrated intervals,
checkpoints, hashes, the parity proof in a fresh process, and a report. Whole processes run in turn. Each run of
gristmill has a new store: once with the temporary Prefect server that it starts itself (cold), once with a server that
already runs (warm). Memory is that of all processes together, including the temporary server, with shared pages counted
once (PSS); it is measured in rounds of their own, which are not timed. Further runs show in a terminal when the first
line and the first line of a stage appear.
"""

import json
import os
import pty
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from measuring import GRISTMILL, ROOT, Process, Ran, arguments, in_turn, process, run, table, tell

LOADED = (  # modules that `gristmill run` imports
    "gristmill.cli.app",
    "gristmill.flows.timeseries",
    "keras",
    *(f"gristmill.domains.timeseries.{stage}" for stage in ("ingest", "preprocess", "train", "evaluate", "export")),
    "gristmill.reports.run",
)
CONDITIONS = (
    "Goal: at most 3 s more than the script with no server running. The first and the last part show what starting a "
    "server adds."
)
MEMORY_ROUNDS = 3
HISTORY, VALIDATION, TEST, BATCH, RATE, SEED = 60, 300, 235, 64, 2e-3, 42

PIPELINE = f"""
[pipelines.small]
domain = "timeseries"
source = {{ kind = "csv", path = "series.csv" }}
ingest = {{ time = "month", target = "sunspots" }}
preprocess = {{ history = {HISTORY}, validation = {VALIDATION}, test = {TEST}, season = 132 }}
model = {{ kind = "dense", units = [20, 10] }}
train = {{ epochs = EPOCHS, batch_size = {BATCH}, learning_rate = {RATE}, seed = {SEED} }}
evaluate = {{ baselines = ["naive", "drift", "moving_average", {{ kind = "autoregression", order = 11 }}] }}
"""

BARE = f"""
import json
import time

marks = [time.perf_counter()]


def mark():
    marks.append(time.perf_counter())
    return marks[-1] - marks[-2]


import keras
import numpy as np
import pandas as pd

seconds = {{"imports": mark()}}
series = pd.read_csv("series.csv")["sunspots"].to_numpy("float32")
learned = series[: -{VALIDATION} - {TEST}]
mean, deviation = learned.mean(), learned.std()
windows = np.lib.stride_tricks.sliding_window_view(series, {HISTORY} + 1)
past, following = windows[:, :-1, None], windows[:, -1]
train, validation, test = np.split(np.arange(len(windows)), [-{VALIDATION} - {TEST}, -{TEST}])
seconds["ingest, preprocess"] = mark()

keras.utils.set_random_seed({SEED})
window = keras.Input(({HISTORY}, 1))
features = keras.layers.Flatten()(keras.layers.Normalization(mean=mean, variance=deviation**2)(window))
for width in (20, 10):
    features = keras.layers.Dense(width, activation="relu")(features)
core = keras.Model(window, keras.layers.Dense(1)(features))
rate = keras.optimizers.schedules.CosineDecay({RATE}, EPOCHS * -(-len(train) // {BATCH}))
core.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss="huber")
scaled = (following - mean) / deviation
judged = past[validation], scaled[validation]
core.fit(past[train], scaled[train], batch_size={BATCH}, epochs=EPOCHS, validation_data=judged, verbose=0)
model = keras.Sequential([keras.Input(({HISTORY}, 1)), core, keras.layers.Rescaling(deviation, mean)])
seconds["train"] = mark()

mae = float(np.abs(model.predict(past[test], verbose=0)[:, 0] - following[test]).mean())
seconds["evaluate"] = mark()

model.export("saved_model", verbose=False)
model.save("model.keras")
seconds["export"] = mark()
print(json.dumps({{"mae": mae, "seconds": seconds}}))
"""


def make(folder: Path, epochs: int) -> None:
    """Write the input files of both sides."""
    (folder / "series.csv").write_text((ROOT / "data/samples/sunspots.csv").read_text())
    (folder / "pipelines.toml").write_text(PIPELINE.replace("EPOCHS", str(epochs)))
    (folder / "bare.py").write_text(BARE.replace("EPOCHS", str(epochs)))


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a Prefect server; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    prefect = str(Path(GRISTMILL).with_name("prefect"))
    environment = os.environ | {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_API_PORT": port}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([prefect, "server", "start", "--port", port], env=environment, **quiet)
    try:
        address = f"http://127.0.0.1:{port}/api"
        for _ in range(120):
            if answers(address):
                break
            time.sleep(1)
        yield address
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait()


def answers(address: str) -> bool:
    """Return whether a Prefect API answers."""
    try:
        return httpx.get(f"{address}/health").is_success
    except httpx.TransportError:
        return False


def parts(made: Ran) -> dict[str, float]:
    """Return the seconds of each part of a run, in order."""
    began, ended = (datetime.fromisoformat(made.record[mark]).timestamp() for mark in ("started", "finished"))
    stages = made.record["stages"]
    work = {stage: made.cores[stage]["seconds"] for stage in stages}
    around = sum(stages[stage]["seconds"] - seconds for stage, seconds in work.items())
    return {
        "imports, start of a server": began - made.process.began,
        "ingest, preprocess": work["ingest"] + work["preprocess"],
        "train": work["train"],
        "evaluate": work["evaluate"],
        "export": work["export"],
        "hashing, publishing, cache lookup": around,
        "Prefect between the stages": ended - began - sum(stage["seconds"] for stage in stages.values()),
        "report, exit": made.process.ended - ended,
    }


def bare_parts(made: Process) -> dict[str, float]:
    """Return the seconds of each part of the script, including the start and exit of Python."""
    seconds: dict[str, float] = json.loads(made.printed)["seconds"]
    return seconds | {"report, exit": made.seconds - sum(seconds.values())}


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each part."""
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def imports() -> list[tuple[str, float]]:
    """Return the packages that take longest to import in a run, each without the packages that it imports.

    This needs its own process, because a run suppresses the output of TensorFlow and with it Python's import times.
    """
    command = [sys.executable, "-X", "importtime", "-c", f"import {', '.join(LOADED)}"]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, check=True, text=True)
    own: Counter[str] = Counter()
    for microseconds, module in re.findall(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)$", done.stderr, re.MULTILINE):
        own[module.partition(".")[0]] += int(microseconds) / 1e6
    return own.most_common(8)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        make(folder, asked.epochs)

        def bare(proportional: bool = False) -> Process:
            return process([sys.executable, "bare.py"], folder, proportional)

        def gristmill(address: str, proportional: bool = False) -> Ran:
            with tempfile.TemporaryDirectory() as store:
                return run("small", Path(store), folder=folder, proportional=proportional, PREFECT_API_URL=address)

        bare(), gristmill("")  # compiles byte code
        alone = {"bare": partial(bare, True), "cold": partial(gristmill, "", True)}
        memory: dict[str, list[Any]] = in_turn(alone, MEMORY_ROUNDS)  # no server beside them shares their pages
        with server(folder) as address:
            memory |= in_turn({"warm": partial(gristmill, address, True)}, MEMORY_ROUNDS)
            ways = {"bare": bare, "warm": partial(gristmill, address), "cold": partial(gristmill, "")}
            found = in_turn(ways, asked.rounds)
            shown_first = in_turn({"warm": partial(first_lines, folder, address)}, asked.rounds)
        peaks = {way: statistics.median(process_of(one).peak for one in made) for way, made in memory.items()}
        shown_first |= in_turn({"cold": partial(first_lines, folder, "")}, asked.rounds)
        loaded = imports()
    told = [*shown(found, peaks), "", told_of_first_lines(**shown_first), "", told_of_imports(loaded)]
    tell("Overhead", told, asked.write)


def first_lines(folder: Path, address: str) -> tuple[float, float]:
    """Run the pipeline in a terminal; return the seconds until its first line and until the first line of a stage."""
    ours, theirs = pty.openpty()
    with tempfile.TemporaryDirectory() as store:
        environment = os.environ | {"GRISTMILL_STORE": store, "PREFECT_API_URL": address}
        printed, times, began = b"", {}, time.perf_counter()
        command = [GRISTMILL, "run", "small"]
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=theirs, stderr=theirs) as running:
            os.close(theirs)
            for more in iter(partial(_read, ours), b""):
                printed += more
                for name, line in (("first", b"no result yet"), ("stage", b"ingest     started")):
                    if line in printed:
                        times.setdefault(name, time.perf_counter() - began)
    os.close(ours)
    if running.returncode or len(times) < 2:
        sys.exit(f"gristmill run small: exit {running.returncode}\n{printed.decode(errors='replace')[-2000:]}")
    return times["first"], times["stage"]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # on Linux, reading raises EIO when the other side is closed
        return b""


def told_of_first_lines(warm: list[tuple[float, float]], cold: list[tuple[float, float]]) -> str:
    """Return a sentence with the medians of `first_lines`, with and without a running server."""
    medians = [[statistics.median(times) for times in zip(*lines, strict=True)] for lines in (cold, warm)]
    (first, stage), (_, sooner) = medians
    return (
        f"In a terminal with no server running, the plan is printed after {first:.2f} s (goal 1). The first stage "
        f"starts after {stage:.2f} s, or {sooner:.2f} s with a server running (aim 1.5)."
    )


def process_of(made: Process | Ran) -> Process:
    """Return the process of a script or of a run."""
    return made.process if isinstance(made, Ran) else made


def shown(found: dict[str, list], peaks: dict[str, float]) -> list[str]:
    """Return two tables: whole processes, and the seconds of their parts."""
    seconds = {way: statistics.median(process_of(one).seconds for one in made) for way, made in found.items()}
    scores = {
        way: json.loads(made[0].printed)["mae"] if way == "bare" else made[0].score("mae")
        for way, made in found.items()
    }
    names = {
        "bare": "Keras script",
        "warm": "`gristmill run`, server running",
        "cold": "`gristmill run`, no server running",
    }
    rows = [
        (
            names[way],
            f"{seconds[way]:.2f}",
            f"{seconds[way] - seconds['bare']:+.2f}",
            f"{peaks[way]:,.0f}",
            f"{peaks[way] - peaks['bare']:+,.0f}",
            f"{scores[way]:.2f}",
        )
        for way in names
    ]
    processes = table(["process", "median s", "additional s", "peak PSS MiB", "additional MiB", "test MAE"], rows)
    split = {way: medians([bare_parts(one) if way == "bare" else parts(one) for one in found[way]]) for way in names}
    split["bare"]["imports, start of a server"] = split["bare"].pop("imports")
    where = table(
        ["part, median s", *(names[way] for way in names)],
        [
            (part, *(f"{split[way][part]:.2f}" if part in split[way] else "–" for way in names))
            for part in split["cold"]
        ],
    )
    rounds = (
        f"Medians of {len(found['bare'])} alternating rounds, after one that compiles byte code. "
        f"Peaks are medians of {MEMORY_ROUNDS} other rounds."
    )
    return [*processes, "", *where, "", f"{rounds} {CONDITIONS}"]


def told_of_imports(loaded: list[tuple[str, float]]) -> str:
    """Return a sentence with the packages that take longest to import."""
    packages = ", ".join(f"{package} {seconds:.2f}" for package, seconds in loaded)
    return f"Seconds of a run's imports, one after the other and slowed by `-X importtime`: {packages}."


if __name__ == "__main__":
    main()
