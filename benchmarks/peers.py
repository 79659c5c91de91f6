"""Gristmill beside DVC and Metaflow: one small pipeline, whole processes, in turn.

    benchmarks/peers.py [--rounds 5]

The pipeline cuts sunspots into windows, trains a small dense network of Keras and scores it; the network's width stands
in a module that the training imports. Measured are the first run in an empty project, a run with nothing to do, one
after a change of the number of epochs, and whether an edit of that width is seen. Each peer gets an environment of its
own, made here, whose steps see the TensorFlow of this one; one that cannot be installed is left out, with a message.

Gristmill does more in its first run than the others: baselines, intervals, an export to two formats that is reloaded
and compared, a report.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
EPOCHS = 3

WIDTH = "UNITS = {units}\n"

WORK = '''
import json
from pathlib import Path

import numpy as np
import pandas as pd


def prepare():
    """Cut the series into windows of 12 months and the month after each."""
    series = pd.read_csv("series.csv")["sunspots"].to_numpy("float32")
    windows = np.lib.stride_tricks.sliding_window_view(series, 13)
    np.savez("windows.npz", past=windows[:, :-1], next=windows[:, -1])


def train(epochs):
    """Train on all but the last forty windows."""
    import keras
    from width import UNITS

    keras.utils.set_random_seed(42)
    data = np.load("windows.npz")
    model = keras.Sequential([keras.layers.Dense(UNITS, activation="relu"), keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mae")
    model.fit(data["past"][:-40], data["next"][:-40], epochs=epochs, verbose=0)
    model.save("model.keras")


def evaluate():
    """Score the last forty windows."""
    import keras

    data = np.load("windows.npz")
    model = keras.models.load_model("model.keras")
    mae = float(np.abs(model.predict(data["past"][-40:], verbose=0)[:, 0] - data["next"][-40:]).mean())
    Path("scores.json").write_text(json.dumps({"mae": mae, "parameters": model.count_params()}))
'''

DVC = """
stages:
  prepare:
    cmd: {python} -c "import work; work.prepare()"
    deps: [series.csv, work.py]
    outs: [windows.npz]
  train:
    cmd: {python} -c "import work, yaml; work.train(yaml.safe_load(open('params.yaml'))['epochs'])"
    deps: [windows.npz, work.py]
    params: [epochs]
    outs: [model.keras]
  evaluate:
    cmd: {python} -c "import work; work.evaluate()"
    deps: [model.keras, windows.npz, work.py]
    outs: [scores.json]
"""

METAFLOW = """
import json
from pathlib import Path

import work
from metaflow import FlowSpec, step


class SunspotsFlow(FlowSpec):
    @step
    def start(self):
        work.prepare()
        self.next(self.train)

    @step
    def train(self):
        work.train(json.loads(Path("params.json").read_text())["epochs"])
        self.next(self.end)

    @step
    def end(self):
        work.evaluate()


if __name__ == "__main__":
    SunspotsFlow()
"""

GRISTMILL = """
[pipelines.small]
domain = "timeseries"

[pipelines.small.source]
kind = "csv"
path = "series.csv"

[pipelines.small.ingest]
time = "month"
target = "sunspots"

[pipelines.small.preprocess]
history = 12
validation = 40
test = 40

[pipelines.small.model]
kind = "model.py:build"

[pipelines.small.train]
epochs = {epochs}
"""

MODEL = '''
import keras
from width import UNITS


def build(shape):
    """A hidden layer."""
    return keras.Sequential(
        [
            keras.Input((shape.history, shape.columns)),
            keras.layers.Flatten(),
            keras.layers.Dense(UNITS, activation="relu"),
            keras.layers.Dense(shape.outputs),
        ]
    )
'''


class Tool(ABC):
    """One tool in a project of its own."""

    name: str

    def __init__(self, python: Path) -> None:
        self.python = python

    def make(self, folder: Path) -> None:
        """Make a folder a project that was never run."""
        folder.mkdir()
        shutil.copy(ROOT / "data/samples/sunspots.csv", folder / "series.csv")
        self.set_width(folder, 8)
        self.set_epochs(folder, EPOCHS)

    def set_width(self, folder: Path, units: int) -> None:
        """Edit the module that the training imports."""
        (folder / "width.py").write_text(WIDTH.format(units=units))

    def call(self, folder: Path, *words: str) -> str:
        """Run the tool's program and return what it printed."""
        environment = os.environ | {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"}
        environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "METAFLOW_USER": "benchmark"}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def parameters(self, folder: Path) -> int:
        """Return the number of parameters of the network that the last run scored."""
        return int(json.loads((folder / "scores.json").read_text())["parameters"])

    @abstractmethod
    def set_epochs(self, folder: Path, epochs: int) -> None:
        """Change a setting."""

    @abstractmethod
    def run(self, folder: Path) -> None:
        """Bring everything up to date, as a user does who has changed nothing that the tool should be told of."""

    def apply(self, folder: Path) -> None:
        """Bring everything up to date after a setting of the training was changed."""
        self.run(folder)


class Gristmill(Tool):
    name = f"gristmill {version('gristmill')}"

    def make(self, folder: Path) -> None:
        super().make(folder)
        (folder / "model.py").write_text(MODEL)

    def set_epochs(self, folder: Path, epochs: int) -> None:
        (folder / "pipelines.toml").write_text(GRISTMILL.format(epochs=epochs))

    def run(self, folder: Path) -> None:
        self.call(folder, "gristmill", "-q", "run", "small")

    def parameters(self, folder: Path) -> int:
        found = json.loads(self.call(folder, "gristmill", "-q", "run", "small", "--json"))
        key = found["stages"]["train"]["reference"]["key"]
        manifest = json.loads((folder / "data/store/train" / key[:2] / key / "manifest.json").read_text())
        return int(manifest["counts"]["parameters"])


class Dvc(Tool):
    name = "dvc"

    def make(self, folder: Path) -> None:
        super().make(folder)
        (folder / "work.py").write_text(WORK)
        (folder / "dvc.yaml").write_text(DVC.format(python=self.python))
        self.call(folder, "dvc", "init", "--no-scm", "--quiet")

    def set_epochs(self, folder: Path, epochs: int) -> None:
        (folder / "params.yaml").write_text(f"epochs: {epochs}\n")

    def run(self, folder: Path) -> None:
        self.call(folder, "dvc", "repro", "--quiet")


class Metaflow(Tool):
    name = "metaflow"

    def make(self, folder: Path) -> None:
        super().make(folder)
        (folder / "work.py").write_text(WORK)
        (folder / "flow.py").write_text(METAFLOW)

    def set_epochs(self, folder: Path, epochs: int) -> None:
        (folder / "params.json").write_text(json.dumps({"epochs": epochs}))

    def run(self, folder: Path) -> None:
        began_before = (folder / ".metaflow").exists()
        self.call(folder, str(self.python), "flow.py", "--quiet", "resume" if began_before else "run")

    def apply(self, folder: Path) -> None:
        self.call(folder, str(self.python), "flow.py", "--quiet", "resume", "train")  # the user says from where


def installed(package: str, folder: Path) -> tuple[Path, str] | None:
    """Install a peer in an environment that sees the libraries of this one; return its Python and version."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    paths = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", paths], check=True, capture_output=True, text=True).stdout.strip())
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", package], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(
            f"{package} could not be installed and is left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr
        )
        return None
    (site / "steps.pth").write_text(sysconfig.get_path("purelib") + "\n")  # after its own: these are never shadowed
    asked = f"from importlib.metadata import version; print(version({package!r}))"
    found = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True)
    return python, found.stdout.strip()


def seconds(work: Callable[[Path], None], folder: Path) -> float:
    """Return how long some work in a project takes."""
    began = time.perf_counter()
    work(folder)
    return time.perf_counter() - began


def measure(tools: list[Tool], rounds: int, below: Path) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of each kind of run, tool by tool, taken in turn."""
    times: dict[str, dict[str, list[float]]] = {tool.name: {"first": [], "nothing": [], "epochs": []} for tool in tools}
    for number in range(rounds):
        for tool in tools:
            folder = below / f"{tool.name.split()[0]}-{number}"
            tool.make(folder)
            found = times[tool.name]
            found["first"].append(seconds(tool.run, folder))
            tool.run(folder)  # what a second run still has to compile
            found["nothing"].append(seconds(tool.run, folder))
            tool.set_epochs(folder, EPOCHS + 1)
            found["epochs"].append(seconds(tool.apply, folder))
    return times


def sees_an_edit(tool: Tool, below: Path) -> bool:
    """Whether a run after an edit in the module that the training imports scores the edited network."""
    folder = below / f"{tool.name.split()[0]}-edited"
    tool.make(folder)
    tool.run(folder)
    before = tool.parameters(folder)
    tool.set_width(folder, 9)
    tool.run(folder)
    return tool.parameters(folder) != before


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rounds", type=int, default=5)
    rounds = asked.parse_args().rounds
    with tempfile.TemporaryDirectory() as below:
        tools: list[Tool] = [Gristmill(Path(sys.executable))]
        for kind in (Dvc, Metaflow):
            if found := installed(kind.name, Path(below, f"env-{kind.name}")):
                tools.append(kind(found[0]))
                tools[-1].name += f" {found[1]}"
        times = measure(tools, rounds, Path(below))
        print("| tool | first run s | nothing to do s | epochs changed s | an edit in an imported module |")
        print("|---|---:|---:|---:|---|")
        for tool in tools:
            medians = " | ".join(f"{statistics.median(found):.2f}" for found in times[tool.name].values())
            print(f"| {tool.name} | {medians} | {'seen' if sees_an_edit(tool, Path(below)) else 'not seen: stale'} |")


if __name__ == "__main__":
    main()
