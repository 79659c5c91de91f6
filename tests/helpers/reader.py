"""Follow a page of the documentation: save its files, run its Python and its commands."""

import contextlib
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conftest import ROOT
from gristmill.config import catalogue
from gristmill.util.toml import toml_key
from helpers.rest import serving
from helpers.support import Forked
from helpers.written import Block, Command, commands, differences, stale_numbers

NOT_RUN = {
    "make run": "sets up a virtual environment; `gristmill run co2` is run",
    ". .venv/bin/activate": "there is none; commands are run in the environment of the tests",
    "pip install": "changes the environment; test_wheel.py runs the wheel",
    "gristmill plan cats_dogs_transfer": "needs weights for ImageNet; test_features.py has such bases",
    "gristmill serve": "goes on until it is interrupted; tests/faults/test_model_server.py runs it",
    "gristmill schedule": "goes on until it is interrupted; tests/test_deployed.py runs it",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=": "a Prefect server of its own; tests/test_deployed.py starts one",
    "prefect server start": "goes on until it is interrupted; tests/test_deployed.py starts one",
    "prefect worker start": "goes on until it is interrupted; tests/test_deployed.py starts one",
    "gristmill doctor --notify": "sends a message; test_message_receiver.py does",
    "curl": "needs a server at a known address; the pages do the same by `gristmill updated` and in Python",
    "docker build": "needs Docker; tests/gristmill/config/test_dockerfile.py follows the steps in a folder",
    "docker run": "needs Docker; tests/helpers/rest.py answers in its place",
    "psql": "needs a Postgres server",
    "export PREFECT_SERVER_DATABASE_CONNECTION_URL": "needs a Postgres server",
}
"""Commands that are not run, by their beginning, and why. Their options and make targets must still exist."""


def reason_not_to_run(command: Command) -> str:
    """Return why a command is not run; empty if it is."""
    return next((reason for start, reason in NOT_RUN.items() if command.line.startswith(start)), "")


Done = dict[tuple[str, ...], tuple[Path, str]]
"""By all that was done in a folder that held only samples: a copy of it, and what the last command printed."""

ON_TWO_PAGES = "gristmill run co2"  # by README.md and a tutorial, after the same commands


class Reader:
    """Follows a page in a folder; a long command that another page has run after the same beginning is not repeated."""

    def __init__(
        self, folder: Path, forked: Forked, api: str, done: Done | None = None, by_number: bool = False
    ) -> None:
        self._forked, self._api = forked, api
        self._start = self._folder = folder
        self._names: dict[str, Any] = {"__name__": "page"}
        self._done, self._so_far = done, tuple[str, ...]()
        self._by_number = by_number  # whether the page shows what a reader sees on the same data, to the number

    @property
    def folder(self) -> Path:
        """The folder that the page has gone to."""
        return self._folder

    def follow(self, block: Block) -> Iterator[str]:
        """Save a block and run its Python or its commands; yield differences between shown and printed output."""
        if block.file or block.language == "python":
            self._so_far += (block.text,)
        if block.file:
            file = self._folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as opened:  # a second block of the same name is added to the first
                opened.write(f"\n\n{block.text}" if opened.tell() else block.text)
        elif block.language == "python":
            self._execute(block.text)
        for command in commands(block):
            if not reason_not_to_run(command):
                yield from self._differences(command)

    def _execute(self, text: str) -> None:
        """Run Python with the names that the page has defined; a stand-in replaces TensorFlow Serving."""
        text = text.replace("200_000", "20_000")  # characters of a text to learn from
        unheard = contextlib.redirect_stdout(io.StringIO())
        with serving(self._folder / "models") as address, contextlib.chdir(self._folder), unheard:
            exec(text.replace("http://localhost:8501", address), self._names)  # noqa: S102 - our own pages

    def _differences(self, command: Command) -> Iterator[str]:
        status, printed = self.run(command)
        refused = any(line.startswith("error:") for line in command.output)
        assert bool(status) == refused, f"$ {command.line} ended with {status}:\n{printed}"
        found = differences(command.output, printed)
        if found := found + (stale_numbers(command.output, printed) if self._by_number else []):
            yield "\n".join([f"$ {command.line}", *found, "in", printed])

    def run(self, command: Command) -> tuple[int | None, str]:
        """Run a command to its end, or take what another page made; return its exit status and what it printed."""
        self._so_far += (command.line,)
        if self._done is None or command.line != ON_TWO_PAGES:
            return self._run(command)
        if self._so_far in self._done:
            kept, printed = self._done[self._so_far]
            shutil.copytree(kept, self._start, symlinks=True, dirs_exist_ok=True)
            return 0, printed
        status, printed = self._run(command)
        if status == 0:
            kept = Path(tempfile.mkdtemp(dir=self._start.parent))
            shutil.copytree(self._start, kept, symlinks=True, dirs_exist_ok=True)
            self._done[self._so_far] = kept, printed
        return status, printed

    def _run(self, command: Command) -> tuple[int | None, str]:
        _shorten(self._folder, one_format=self._done is not None)
        words = command.words
        if words[0] == "cd":
            self._folder = (self._folder / words[1]).resolve()
            assert self._folder.is_dir()
            return 0, ""
        if words[0] != "gristmill" or set(words) & {">", "|", "&&"} or ";" in command.line:
            return self._shell(command.line)
        out, err = self._folder / "out", self._folder / "err"
        out.write_text("")
        err.unlink(missing_ok=True)
        err.hardlink_to(out)  # both outputs in the order of printing, as in a terminal
        status = self._forked.run(self._folder, *words[1:])
        printed = out.read_text()
        for bundle in re.findall(r"^bundle +(\S+)$", printed, re.MULTILINE):
            (self._folder / "bundle").unlink(missing_ok=True)
            (self._folder / "bundle").symlink_to(bundle)  # the name of the printed folder on all pages
        return status, printed

    def _shell(self, line: str) -> tuple[int, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        home = str(self._start / ".prefect")  # where `prefect config` writes
        more = {"PATH": path, "PREFECT_API_URL": self._api, "PREFECT_HOME": home, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self._folder,
            env=os.environ | more,
            input="typed\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout


def _shorten(folder: Path, one_format: bool) -> None:
    """Limit the trainings of a project to two epochs, those of candidates too; with `one_format`, export only that."""
    file = folder / catalogue.PIPELINES_FILE
    if not file.is_file():
        return
    text = file.read_text()
    shorter = re.sub(r"\bepochs = \d+", "epochs = 2", text)
    for name, tables in tomllib.loads(text)["pipelines"].items():
        if tables["model"]["kind"] == "auto" and tables["domain"] != "tabular" and "train" not in tables:
            shorter += f"\n[pipelines.{toml_key(name)}.train]\nepochs = 2\n"
        if one_format and tables["domain"] in ("tabular", "timeseries", "vision") and "export" not in tables:
            shorter += f'\n[pipelines.{toml_key(name)}.export]\nformats = ["keras"]\n'
    if shorter != text:
        file.write_text(shorter)


def write_stand_ins(folder: Path) -> None:
    """Write cheap pipelines with the names that the documentation uses, and their data."""
    shutil.copyfile(ROOT / "tests/helpers/stand_ins.toml", folder / catalogue.PIPELINES_FILE)
    months = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()[:601]
    (folder / "data/samples/sunspots.csv").write_text("\n".join(months) + "\n")
    weather = (ROOT / "data/samples/seattle-weather.csv").read_text().splitlines()[1:401]
    days = [line.split(",") for line in weather]
    (folder / "visitors.csv").write_text("date,visitors\n" + "".join(f"{day[0]},{day[2]}\n" for day in days))
    towns, conditions = itertools.cycle(["Ulm", "Bonn", "Kiel"]), itertools.cycle(["good", "poor"])
    flats = [f"{40 + n % 50},{1 + n % 4},{next(towns)},{next(conditions)},{90 + 3 * (n % 50)}" for n in range(60)]
    (folder / "flats.csv").write_text("\n".join(["area,rooms,town,condition,price", *flats]) + "\n")
    offers = [f"o{n},{40 + n % 50},{1 + n % 4},{next(towns)},{90 + 3 * (n % 50)}" for n in range(63)]
    (folder / "offers.csv").write_text("\n".join(["offer,area,rooms,town,price", *offers[:60]]) + "\n")
    new = [offer.rpartition(",")[0] for offer in offers[60:]]
    (folder / "new-offers.csv").write_text("\n".join(["offer,area,rooms,town", *new]) + "\n")
    sold = [f"{offer.partition(',')[0]},{offer.rpartition(',')[2]}" for offer in offers[60:]]
    (folder / "sold.csv").write_text("\n".join(["offer,price", *sold]) + "\n")
    praise, blame = "what a fine long evening it was", "what a waste of two whole hours"
    letters = [f"{text} {number},{label}" for number in range(20) for text, label in ((praise, "good"), (blame, "bad"))]
    (folder / "letters.csv").write_text("\n".join(["text,label", *letters]) + "\n")
    shutil.copyfile(folder / "letters.csv", folder / "new.csv")
    (folder / "inbox").mkdir()
    (folder / "inbox/first.txt").write_text(praise)
