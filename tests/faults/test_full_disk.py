"""A disk that is full or broken at any moment of a command: one line tells, nothing is left behind, the old serves.

Each step of a run, a retraining and a promotion may meet either: in full all of some five hundred do, in both ways.
"""

import errno
import gc
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from conftest import ONE_BASELINE
from gristmill.registry.registry import Registry
from gristmill.store.store import Store
from helpers.failing import Act, at_step, fill, full, limited, refuse
from helpers.scoreboard import Fault
from helpers.support import Command, assert_all_whole, the_error, with_model, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("parity_here", "prefect_api"), pytest.mark.slow]

FULL = "{store}: the disk is full. Free space (gristmill gc) and run again."
BROKEN = "the store is not writable (Input/output error). Fix it, or set GRISTMILL_STORE or [defaults] store."

ACTS: dict[str, tuple[Act, bool]] = {FULL: (fill, True), BROKEN: (partial(refuse, errno.EIO), False)}
"""What is said of what happens at a step, and whether it does at those that follow, too."""

FORMATS = 'formats = ["keras"]'

SAVED = ONE_BASELINE.replace(FORMATS, 'formats = ["keras", "saved_model"]')
"""A pipeline that writes tables and networks, and trains in no time."""

TRAINED = with_model('kind = "dense"\nunits = [2]', "epochs = 2").replace(
    FORMATS, 'formats = ["keras", "saved_model"]\nrefit = true'
)
"""A pipeline that writes every kind of file there is for a series."""

SPARED = r"\w+ (memo|logs)(/|$)|link |open .*\.(npz|keras)$"
"""Steps that are worth no failure, the one that copying stands in for, and what `zipfile` opens a second time."""

FILES = [
    ("export", "saved_model/variables/variables.index"),
    ("preprocess", "series.parquet"),
    ("export", "model.keras"),
    ("evaluate", "predictions.parquet"),
    ("scratch", "arrays.npz"),
]
"""Files by the stage in whose draft they are written: the first three are those of TensorFlow, pyarrow and Keras."""

GATE = "\n[pipelines.small.gate]\nwindow = 20\n"

COMMANDS = ("run", "retrain", "promote") if Fault.full else ("run", "promote")

SHORTENED = 3  # steps that fail, evenly spread, where it is not all of them

DONE = (0, 3)  # exit statuses: a retraining that promotes nothing has been done, too

T = TypeVar("T")


class Served:
    """A project with a champion, whose every command begins with the same store."""

    def __init__(self, folder: Path, command: Command, *words: str) -> None:
        """Remember how a project stands; `words` are of the command that is to meet a broken disk."""
        self.store = folder / "data/store"
        self._before = folder / "before"
        self._command, self._words = command, words
        shutil.copytree(self.store, self._before)
        self._served = [self._serving()]

    def try_on(self, disk: AbstractContextManager[T]) -> tuple[str | None, T]:
        """Return what the command says on a broken disk, None where it succeeds, and what the disk tells."""
        gc.collect()
        gc.freeze()  # what TensorFlow keeps of every training; looked through at each, it would make the last ones slow
        shutil.rmtree(self.store)
        shutil.copytree(self._before, self.store)
        with disk as told:
            said = self._command(*self._words)
        assert [path for path in self.store.rglob(".*") if path.name != ".writable"] == []
        assert [path for path in self.store.rglob("*") if path.is_symlink()] == []
        assert_all_whole(self.store)
        if said.status in DONE:
            return None, told
        assert self._serving() in self._served
        return the_error(said), told

    def try_each(self) -> list[str | None]:
        """Have every step fail in every way, or a few of them, and return what is said of each."""
        said, steps = self.try_on(at_step(0, fill, self.store))
        assert said is None
        self._served.append(self._serving())  # of a promotion only the pointer may be missing
        failures = list(product(range(1, len(steps) + 1), ACTS.items()))
        found = []
        for chosen in np.linspace(0, len(failures) - 1, len(failures) if Fault.full else SHORTENED).astype(int):
            number, (told, (act, lasting)) = failures[chosen]
            said, steps = self.try_on(at_step(number, act, self.store, lasting))
            if len(steps) >= number:  # what is remembered of files that are old enough was not written this time
                found.append(said)
                if said is None:
                    assert re.match(SPARED, steps[number - 1])
                else:
                    assert said.endswith(told.format(store=self.store)), steps[number - 1]
        return found

    def _serving(self) -> tuple[int, str]:
        champion = Registry(Store(self.store)).champion("small", verified=True)
        assert champion is not None
        return champion.number, self._command("predict", "small").out


@pytest.fixture
def served(project: Path, command: Command) -> Callable[..., Served]:
    """Return what gives the small project a champion, and then other data than that has seen."""

    def serve(toml: str, *words: str) -> Served:
        write_project(project, toml + GATE)
        months = (project / "series.csv").read_text()
        (project / "series.csv").write_text("".join(months.splitlines(keepends=True)[:281]))
        assert command("run", "small").status == 0
        assert command("promote", "small").status == 0
        (project / "series.csv").write_text(months)
        if words[0] == "promote":
            assert command("run", "small").status == 0
        return Served(project, command, *words)

    return serve


@pytest.mark.fault(15)
@pytest.mark.fault(16)
@pytest.mark.parametrize("command_", COMMANDS)
def test_whichever_step_of_a_command_fails_one_line_tells_and_the_champion_serves(
    command_: str, served: Callable[..., Served], fault: Fault
) -> None:
    found = served(TRAINED if fault.full else ONE_BASELINE, command_, "small").try_each()

    fault.tried(len(found))
    for message in {message.partition(": ")[2]: message for message in found if message}.values():  # one of a kind
        fault.said(message)


@pytest.mark.fault(15)
def test_whoever_writes_to_a_full_disk_it_is_told_in_one_line(served: Callable[..., Served], fault: Fault) -> None:
    """TensorFlow, pyarrow or Keras; on a disk without room for a file, and by a kernel that lets no file grow."""
    kept = served(TRAINED if fault.full else SAVED, "run", "small")
    disks = [
        *(full(*file, kept.store) for file in (FILES if fault.full else FILES[:3])),
        *(limited(size) for size in ([0, *(1 << power for power in range(8, 17))] if fault.full else [1 << 13])),
    ]

    assert [kept.try_on(disk)[0] for disk in disks] == [FULL.format(store=kept.store)] * len(disks)

    fault.tried(len(disks))
