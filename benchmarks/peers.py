"""Compare gristmill with DVC and Metaflow on one small pipeline, as whole processes in turn.

    benchmarks/peers.py [--rounds 5] [--write]

The pipeline cuts sunspots into windows, trains a small dense network of Keras and scores it. The width of the network
is in a module that the training imports. The benchmark measures the first run in an empty project, a run with nothing
to do, a run after a change of the epochs, and whether an edit of the width is seen. Each tool gets its own
environment, which is created here and uses the TensorFlow of this one. A tool that cannot be installed is left out,
with a message.

In its first run, gristmill does more than the others: baselines, intervals, the verified export of two formats, and a
report.
"""

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
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

from measuring import ROOT, arguments, in_turn, manifest, table, tell
from peers_projects import DVC, GRISTMILL, METAFLOW, MODEL, WIDTH, WORK

EPOCHS = 3
CONDITIONS = (
    "Medians of alternating rounds; in brackets, the median of gristmill's time divided by the tool's. Goals: half of "
    "DVC's time for nothing to do, and DVC's time for the first run. Metaflow's later runs are `resume`, which the "
    "user must ask for and which reuses the steps that succeeded; `run` repeats all steps and sees the edit. DVC "
    "checks the files that `deps` names. The imported module is not among them: this is the mistake that is tested. "
    "DVC's analytics and update checks are off."
)

Seconds = tuple[float, float, float]  # first run, CPU of a run with nothing to do, run with other epochs


class Tool(ABC):
    """Tool in its own project."""

    name: str

    def __init__(self, python: Path) -> None:
        self.python = python

    def make(self, folder: Path) -> None:
        """Write a new project into a folder."""
        folder.mkdir()
        shutil.copy(ROOT / "data/samples/sunspots.csv", folder / "series.csv")
        self.set_width(folder, 8)
        self.set_epochs(folder, EPOCHS)

    def set_width(self, folder: Path, units: int) -> None:
        """Edit the module that the training imports."""
        (folder / "width.py").write_text(WIDTH.format(units=units))

    def call(self, folder: Path, *words: str) -> str:
        """Run a command of the tool; return its output."""
        environment = os.environ | {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"}
        environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "METAFLOW_USER": "benchmark", "DVC_NO_ANALYTICS": "1"}
        for name in ("GRISTMILL_STORE", "GRISTMILL_CACHE", "PREFECT_API_URL"):
            environment.pop(name, None)
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
        """Bring everything up to date, as a user does after an edit that the tool should see by itself."""

    def apply(self, folder: Path) -> None:
        """Bring everything up to date after a change of the training's settings."""
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
        return int(manifest(folder / "data/store", found["stages"]["train"])["counts"]["parameters"])


class Dvc(Tool):
    name = "dvc"

    def make(self, folder: Path) -> None:
        super().make(folder)
        (folder / "work.py").write_text(WORK)
        (folder / "dvc.yaml").write_text(DVC.format(python=self.python))
        self.call(folder, "dvc", "init", "--no-scm", "--quiet")
        self.call(folder, "dvc", "config", "core.check_update", "false")

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
        self.call(folder, str(self.python), "flow.py", "--quiet", "resume", "train")  # the user names the first step


def installed(package: str, folder: Path) -> tuple[Path, str] | None:
    """Install a tool in an environment that also has the libraries of this one; return its Python and version."""
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
    # The environment's own packages take precedence over these.
    (site / "steps.pth").write_text(sysconfig.get_path("purelib") + "\n")
    asked = f"from importlib.metadata import version; print(version({package!r}))"
    found = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True)
    return python, found.stdout.strip()


def measure(tool: Tool, below: Path) -> Seconds:
    """Return the seconds of a first run, of CPU of a run with nothing to do, and of a run with other epochs."""
    folder = Path(tempfile.mkdtemp(dir=below)) / "project"
    tool.make(folder)
    first = seconds(tool.run, folder)
    time.sleep(2)  # the files rest: caches do not trust the stat of a younger file
    tool.run(folder)  # a second run may still compile byte code
    nothing = cpu_seconds(tool.run, folder)
    tool.set_epochs(folder, EPOCHS + 1)
    return first, nothing, seconds(tool.apply, folder)


def seconds(work: Callable[[Path], None], folder: Path) -> float:
    """Return the seconds of some work in a project."""
    began = time.perf_counter()
    work(folder)
    return time.perf_counter() - began


def cpu_seconds(work: Callable[[Path], None], folder: Path) -> float:
    """Return the user and system time of the processes that some work in a project starts."""
    before = os.times()
    work(folder)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def sees_an_edit(tool: Tool, below: Path) -> bool:
    """Return whether a run after an edit in the imported module scores the edited network."""
    folder = Path(tempfile.mkdtemp(dir=below)) / "project"
    tool.make(folder)
    tool.run(folder)
    before = tool.parameters(folder)
    tool.set_width(folder, 9)
    tool.run(folder)
    return tool.parameters(folder) != before


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as below:
        tools: list[Tool] = [Gristmill(Path(sys.executable))]
        for kind in (Dvc, Metaflow):
            if found := installed(kind.name, Path(below, f"env-{kind.name}")):
                tools.append(kind(found[0]))
                tools[-1].name += f" {found[1]}"
        found = in_turn({tool.name: partial(measure, tool, Path(below)) for tool in tools}, asked.rounds)
        seen = {tool.name: "seen" if sees_an_edit(tool, Path(below)) else "not seen: stale result" for tool in tools}
    ours = found[tools[0].name]
    rows = [[name, *shown(taken, ours), seen[name]] for name, taken in found.items()]
    columns = ["tool", "first run s", "nothing to do, CPU s", "epochs changed s", "edit in an imported module"]
    tell("DVC and Metaflow", [*table(columns, rows), "", CONDITIONS], asked.write)


def shown(taken: list[Seconds], ours: list[Seconds]) -> Iterator[str]:
    """Yield, for each kind of run, the median of its seconds and the median share that gristmill takes of them."""
    for theirs, own in zip(zip(*taken, strict=True), zip(*ours, strict=True), strict=True):
        share = statistics.median(mine / other for mine, other in zip(own, theirs, strict=True))
        yield f"{statistics.median(theirs):.2f}" + (f" ({share:.2f})" if taken is not ours else "")


if __name__ == "__main__":
    main()
