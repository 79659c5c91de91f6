"""Idle process of `gristmill schedule`: it has loaded Prefect, the flow and TensorFlow before a run needs them.

It is started as Prefect starts the process of a run, reads the run's environment as one line of JSON and goes on as
that run, once. If anything that it has loaded or read is out of date, it executes the command of the run in its place,
which loads everything anew. It ends with the schedule, which closes the pipe.
"""

import importlib
import json
import os
import runpy
import sys
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Set
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from types import ModuleType
from typing import Any

from anyio import Lock
from anyio.abc import Process
from prefect.settings import get_current_settings
from prefect.utilities import processutils

from gristmill.config.catalogue import PIPELINES_FILE, load
from gristmill.prefect_runtime.entrypoints import import_own
from gristmill.store import code_closure
from gristmill.training.keras_backend import import_keras, set_threads
from gristmill.util import process_start
from gristmill.util.processes import is_running, process_identity

ENGINE = [sys.executable, "-m", "prefect.engine"]  # command of a run, as Prefect's runner starts it

_IDLE = [sys.executable, "-m", "gristmill.prefect_runtime.idle_process"]
_RUN_OPTIONS = {"stdout": PIPE, "stderr": PIPE, "cwd": None}  # of a run in the schedule's own folder
_RUN_PREFIX = "PREFECT__"  # prefix of the variables that differ between runs and are read when a run starts
_SETTINGS_FILES = (PIPELINES_FILE, "prefect.toml", "pyproject.toml", ".env")  # in the project's folder

_OpenProcess = Callable[..., AbstractAsyncContextManager[Process]]


@asynccontextmanager
async def keep_idle_process() -> AsyncIterator[None]:
    """Keep an idle process for the next run that Prefect's runner starts within the block.

    The runner starts runs with a function of Prefect, which is replaced. If another version of Prefect does not use it,
    all runs start in new processes.
    """
    names = vars(processutils)
    original = names.get("open_process")
    if original is None:
        yield
        return
    idle = _IdleProcess(original)
    await idle.start()
    names["open_process"] = idle.open_process
    try:
        yield
    finally:
        names["open_process"] = original
        await idle.end()


class _IdleProcess:
    """The idle process, which the next run takes; another one is started after that run."""

    def __init__(self, open_process: _OpenProcess) -> None:
        self._open, self._exit = open_process, AsyncExitStack()
        self._process: Process | None = None
        self._identity = ""
        self._starting = Lock()

    async def start(self) -> None:
        """Start the process, unless it is running."""
        async with self._starting:  # two runs may end together
            if self._running() is None:
                await self._exit.aclose()
                environment = os.environ | get_current_settings().to_environment_variables(exclude_unset=True)
                opened = self._open(_IDLE, env=environment, **_RUN_OPTIONS)
                with suppress(OSError):  # no memory for a process: the next run tries again
                    self._process = await self._exit.enter_async_context(opened)
                    self._identity = process_identity(self._process.pid)

    async def end(self) -> None:
        """End the process."""
        if process := self._running():
            process.terminate()
        await self._exit.aclose()

    @asynccontextmanager
    async def open_process(self, command: list[str], **options: Any) -> AsyncIterator[Process]:
        """Open a process in place of Prefect's function; for a run, this is the idle process if it is running."""
        environment = options.get("env")
        is_run = command == ENGINE and options == _RUN_OPTIONS | {"env": environment}
        async with AsyncExitStack() as stack:
            process = self._running() if is_run else None
            if process and process.stdin:
                self._process = None
                stack.push_async_exit(self._exit.pop_all())
                await process.stdin.send(f"{json.dumps(environment)}\n".encode())
            else:
                process = await stack.enter_async_context(self._open(command, **options))
            yield process
        if is_run:
            await self.start()

    def _running(self) -> Process | None:
        """Return the process if it is running; the event loop may not know yet that it was killed."""
        return self._process if self._process and is_running(self._process.pid, self._identity) else None


def main() -> None:
    """Load what a retraining needs, wait for the environment of a run, and go on as its process."""
    own, settings = dict(os.environ), _settings_files()
    is_loaded = False
    try:
        _load()
        is_loaded = True
    finally:  # if it cannot load something, a new process tries again, and reports the error
        environment, checked = json.loads(sys.stdin.readline() or "{}"), time.time_ns()
        is_as_new = is_loaded and _without_run(environment) == _without_run(own) and _is_current(settings)
        if environment and not is_as_new:
            os.execve(sys.executable, ENGINE, environment)  # noqa: S606  # no shell; Prefect's own command
    if environment:
        process_start.STARTED_NS = checked  # what is loaded was current; other files are read later
        os.environ.update(environment)
        importlib.invalidate_caches()
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")  # Prefect imports it already
        runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


def _load() -> None:
    """Load what a retraining needs."""
    set_threads(load(Path.cwd()).runner.threads)  # NumPy reads them when TensorFlow imports it
    import_own("flows.retrain")
    import_keras()


def _without_run(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that all runs of a schedule have in common."""
    return {name: value for name, value in environment.items() if not name.startswith(_RUN_PREFIX)}


def _is_current(settings: Set[Path]) -> bool:
    """Return whether a new process would load the same code, libraries and settings as this one has.

    `settings` are the files of settings that existed when it started.
    """
    try:
        return settings == _settings_files() and not any(map(code_closure.is_new, [*_files(), *settings]))
    except OSError:  # one was removed
        return False


def _files() -> Iterator[Path]:
    """Yield the files of loaded modules, of gristmill's other modules, and the metadata of libraries."""
    for module in [each for each in sys.modules.values() if isinstance(each, ModuleType)]:
        with suppress(AttributeError):  # a library that cffi has opened has no dictionary
            names = object.__getattribute__(module, "__dict__")  # another access loads a lazy module
            if file := names.get("__file__"):
                yield Path(file)
    yield from code_closure.PACKAGE.rglob("*.py")  # a stage refuses to load what is newer than its process
    for folder in map(Path, sys.path):
        yield from folder.glob("*.dist-info/METADATA")


def _settings_files() -> set[Path]:
    """Return the files of settings that exist."""
    files = [*map(Path, _SETTINGS_FILES), get_current_settings().profiles_path]
    return {file for file in files if file.exists()}


if __name__ == "__main__":
    main()
