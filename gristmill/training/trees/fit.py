"""Boosted trees, fitted by LightGBM in a process of its own.

The process is spawned, because forking hangs after OpenMP has started its threads, and because nothing else in a run
needs LightGBM. Data and trees are passed as plain arrays (`tree_data.py`): nothing is pickled. `lightgbm_process.py` is
its program, and `network.py` makes Keras layers of the trees.
"""

import json
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, cast

from gristmill.errors import Unsuitable, WorkError
from gristmill.training.deadline import check_deadlines, waiting
from gristmill.training.trees import lightgbm_process
from gristmill.training.trees.tree_data import (
    NOT_LOADABLE,
    TREES_FILE,
    UNSUITABLE,
    TreeFit,
    Trees,
    read_trees,
    write_fit,
)
from gristmill.util.processes import module_command


def fit_trees(fits: Sequence[TreeFit]) -> list[Trees]:
    """Return the trees of several fits, made one after the other. Equal fits give equal trees.

    Raises:
        Unsuitable: LightGBM cannot be loaded, or cannot fit trees to the data.
    """
    with TemporaryDirectory() as root:
        folders = [Path(root) / f"{number:05d}" for number in range(len(fits))]
        for folder, fit in zip(folders, fits, strict=True):
            folder.mkdir()
            write_fit(folder, fit)
        _process.run(folders)
        return [read_trees(folder / TREES_FILE) for folder in folders]


class _Process:
    """The process that fits trees: started when needed, and kept, because LightGBM takes half a second to load."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._errors: IO[str]

    def run(self, folders: Sequence[Path]) -> None:
        """Fit the trees of each folder."""
        with self._lock:
            if self._running is None or self._running.poll() is not None:
                self._running = self._start()
            running, output = self._running, cast(IO[str], self._running.stdout)
            try:
                with suppress(BrokenPipeError):  # the process has ended; its status is read below
                    print(json.dumps(list(map(str, folders))), file=running.stdin, flush=True)
                with waiting() as timeout, DefaultSelector() as answers:
                    answers.register(output, EVENT_READ)
                    answers.select(timeout)
                check_deadlines()
                answer = output.readline()
            except BaseException:
                # A deadline has passed: the pipes may hold half of this request, so the process is not used again.
                running.kill()
                running.communicate()
                raise
            if not answer:
                running.wait()  # closing its input first would end it by a signal, and hide its status
                running.communicate()
                with self._errors as errors:
                    errors.seek(0)
                    message = (errors.read().strip().splitlines() or ["no message"])[-1]
                if running.returncode == NOT_LOADABLE:
                    raise Unsuitable("LightGBM cannot be loaded: install libgomp1 (macOS: brew install libomp)")
                if running.returncode == UNSUITABLE:
                    raise Unsuitable(f"LightGBM cannot fit trees to this data: {message}")
                raise WorkError(f"the process that fits trees ended with status {running.returncode}: {message}")

    def _start(self) -> "subprocess.Popen[str]":
        line, environment = module_command(lightgbm_process.__name__)
        # Threads that wait actively for each other are ten times slower on a machine with other work.
        environment |= {"OMP_WAIT_POLICY": "passive"}
        # A pipe that nobody reads would stop the process when it is full.
        self._errors = TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        pipe = subprocess.PIPE
        return subprocess.Popen(line, env=environment, stdin=pipe, stdout=pipe, stderr=self._errors, text=True)


_process = _Process()  # ends with this process, because its pipe is closed
