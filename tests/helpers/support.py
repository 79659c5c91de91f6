"""Helpers of the end-to-end tests: projects, what a plan says, what a run made, the command in forked processes."""

import gc
import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

import pytest
from matplotlib.figure import Figure

from conftest import ROOT, SMALL
from gristmill import keys
from gristmill.cli.app import main
from gristmill.config.domains import DOMAINS, domain_of
from gristmill.export import bundle, kit
from gristmill.maintenance import local
from gristmill.runs.plan import Step
from gristmill.runs.records import Record
from gristmill.scores import summarise
from gristmill.store.store import Store

STAGE_NAMES = [
    stage.name for stage in domain_of("timeseries").stages if not (stage.axes or stage.when)
]  # of a pipeline that asks for neither backtest nor refit
MONTHS = 300  # of the small project's series
SCORES_OF_CLASSES = summarise(  # a whole `scores.json` for folders that were not made by evaluate
    {name: {"test": {"accuracy": score}} for name, score in (("model", 0.5), ("majority", 0.25))},
    "accuracy",
    ["accuracy"],
    higher_is_better=True,
)
CARD = "README.md"
KIT = {CARD, kit.REQUEST, kit.RESPONSE, kit.EXAMPLE}  # files beside a SavedModel that show how to use it


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Said]
WITH_REPORT = {"run", "retrain"}  # commands that render a report at their end


def write_project(folder: Path, toml: str) -> None:
    """Make a folder a project like the fixture `project`, with these pipelines."""
    lines = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()
    (folder / "series.csv").write_text("\n".join(lines[: MONTHS + 1]) + "\n")
    (folder / "pipelines.toml").write_text(toml)


def with_model(model: str, train: str) -> str:
    """Return the small pipeline with another model and a table of how it is trained, each given as lines of TOML."""
    return SMALL.replace('kind = "linear"', f"{model}\n\n[pipelines.small.train]\n{train}")


def edit(file: Path, before: str, after: str) -> None:
    """Replace a text that stands in a file once."""
    text = file.read_text()
    assert text.count(before) == 1, f"{file} holds {before!r} {text.count(before)} times"
    file.write_text(text.replace(before, after))


def planned(steps: list[Step]) -> dict[str, str]:
    """Return what would run, stage by stage, and why."""
    return {step.stage: step.reason for step in steps if step.state != "fresh"}


def made(record: Record) -> set[str]:
    """Return the stages that a run really did."""
    return {name for name, stage in record.stages.items() if not stage.cached}


def records(project: Path, pipeline: str = "small") -> list[Record]:
    """Return the records of a pipeline as they are written, oldest first."""
    files = sorted((project / "data/store/runs" / pipeline).glob("*.json"))
    return [Record.model_validate_json(file.read_text()) for file in files]


def published(store: Path, stage: str) -> list[Path]:
    """Return the folders of a stage's artifacts."""
    return sorted(path for path in store.glob(f"{stage}/??/*") if not path.name.startswith("."))


def the_error(said: Said) -> str:
    """Return the message of a command that printed one error and nothing else on standard error but progress."""
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said.err
    assert said.err.splitlines()[-1] == errors[0]
    assert "Traceback" not in said.err
    return errors[0].removeprefix("error: ")


def unnumbered(message: object) -> str:
    """Return a message without the numbers of lines in TOML files."""
    return re.sub(r"(\.toml):\d+", r"\1", str(message))


def assert_all_whole(store: Path) -> None:
    """Assert that every folder that looks like an artifact is one, to the last byte."""
    verdicts = list(local.verify_store(Store(store)))
    assert [verdict.damage for verdict in verdicts if verdict.damage] == []
    names = {stage.name for domain in DOMAINS for stage in domain_of(domain).stages}
    visible = [path for name in names for path in published(store, name)]
    assert [verdict.path for verdict in verdicts] == sorted(visible)


def wait_until(holds: Callable[[], bool], what: str, bound: float = 120) -> None:
    """Check again and again whether something holds, at most a tenth of the time; fail after `bound` seconds."""
    deadline = time.monotonic() + bound
    while not _holds_or_pause(holds):
        assert time.monotonic() < deadline, f"waited {bound} s for {what}"


def _holds_or_pause(holds: Callable[[], bool]) -> bool:
    """Return whether something holds; otherwise pause, the longer the more CPU time the check took."""
    began = time.process_time()
    if holds():
        return True
    time.sleep(max(0.01, 10 * (time.process_time() - began)))
    return False


def nothing() -> None:
    """Do nothing."""


class Forked:
    """The command in processes forked off one that has imported everything: real processes, without the wait.

    What they print goes to the files `out` and `err` of the folder they run in.
    """

    def __init__(self, api: str) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            [
                "gristmill.cli.app",
                "gristmill.flows.timeseries",
                *("fastapi", "graphviz", "matplotlib.backends.backend_svg", "statsmodels.tsa.api"),  # loaded by runs
                *(f"gristmill.domains.timeseries.{name}" for name in [*STAGE_NAMES, "report"]),
            ]
        )
        with pytest.MonkeyPatch.context() as patch:  # the server's environment is this one's when it starts
            patch.setenv("PREFECT_API_URL", api)
            patch.setenv("PYTHONPATH", str(ROOT))
            first = self._context.Process(target=nothing)
            first.start()
            first.join(300)

    def start(self, folder: Path, *words: str, first: Callable[[], None] = nothing) -> BaseProcess:
        """Start the command in a folder; before it, something may be done to its process."""
        return self.call(_run_command, folder, words, first)

    def run(self, folder: Path, *words: str, first: Callable[[], None] = nothing) -> int | None:
        """Run the command to its end and return its exit status."""
        process = self.start(folder, *words, first=first)
        process.join(300)
        return process.exitcode

    def call(self, function: Callable[..., None], *arguments: Any) -> BaseProcess:
        """Start a function in a process of its own."""
        process = self._context.Process(target=function, args=arguments)
        process.start()
        return process


def _run_command(folder: Path, words: tuple[str, ...], first: Callable[[], None]) -> None:
    from gristmill.training import fit  # which imports TensorFlow: loaded already where this runs

    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.environ.pop("COLUMNS", None)  # set for every process that starts here by readline, which pdb imports
    os.chdir(folder)
    gc.freeze()  # objects loaded so far are excluded from garbage collection, which Keras triggers for every network
    bundle.fresh_process = here
    if WITH_REPORT & {*words}:
        Figure.savefig = leave_blank
    first()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs are born deaf to
    fit.MIN_SECONDS_BETWEEN_CHECKPOINTS = 0.0  # a checkpoint after every epoch, to be killed behind
    sys.argv = ["gristmill", *words]
    main()


@contextmanager
def here(reload: bundle.Reload = bundle.reproduce) -> Iterator[bundle.Reload]:
    """Stand in for `bundle.fresh_process`, which takes seconds to start."""
    yield reload


def leave_blank(figure: Figure, file: IO[Any], **options: Any) -> None:
    """Stand in for `Figure.savefig`, which takes a third of a small run: reports have tests of their own."""
    file.write("<svg/>" if options["format"] == "svg" else b"")


def newest_epoch(project: Path) -> int:
    """Return the number of the newest checkpoint's epoch, 0 if there is none."""
    found = project.glob("data/store/scratch/*/epoch-*")  # no `**`: a draft may vanish while it is looked into
    return max((int(path.name.partition("-")[2]) for path in found), default=0)


@contextmanager
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let pytest hear what gristmill warns of, also where a command before has taken its log over and hushed it."""
    logger = logging.getLogger("gristmill")
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, logger="gristmill"):
        patch.setattr(logger, "propagate", True)
        yield


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what gristmill logged, each message once, for more than one logger above may hand it on.

    TensorFlow warns of functions that are traced again, and a session has many.
    """
    return list(dict.fromkeys(record.message for record in caplog.records if record.name.startswith("gristmill")))


def note_hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the name of each file is added that is hashed from now on."""
    hashed: list[str] = []
    digest = keys.digest_of_file

    def hash_and_note(path: Path) -> str:
        hashed.append(path.name)
        return digest(path)

    monkeypatch.setattr(keys, "digest_of_file", hash_and_note)
    return hashed
