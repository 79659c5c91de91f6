"""Idle process of `gristmill schedule`: it has loaded Prefect, the flow and TensorFlow before a run needs them.

It is started as Prefect starts the process of a run, reads the run's environment as one line of JSON and goes on as
that run, once. If anything that it has loaded or read is out of date, it replaces itself by a new process with the same
id. It ends with the schedule, which closes the pipe.
"""

import importlib
import json
import os
import runpy
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from types import ModuleType
from typing import Any

from anyio.abc import Process
from prefect.settings import get_current_settings
from prefect.utilities import processutils

from gristmill.config.catalogue import PIPELINES_FILE, load
from gristmill.prefect_runtime.entrypoints import import_own
from gristmill.store.code_closure import PACKAGE, is_new
from gristmill.training.keras_backend import import_keras, set_threads

ENGINE = [sys.executable, "-m", "prefect.engine"]  # command of a run, as Prefect's runner starts it

_IDLE = [sys.executable, "-m", "gristmill.prefect_runtime.idle_process"]
_OPTIONS = {"stdout": PIPE, "stderr": PIPE, "cwd": None}  # of a run in the schedule's own folder
_OF_RUN = "PREFECT__"  # prefix of the variables that differ between runs and are read when a run starts
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

    async def start(self) -> None:
        """Start the process, unless it is running."""
        if self._running() is None:
            await self._exit.aclose()
            environment = os.environ | get_current_settings().to_environment_variables(exclude_unset=True)
            opened = self._open(_IDLE, env=environment, **_OPTIONS)
            with suppress(OSError):  # no memory for a process: the next run tries again
                self._process = await self._exit.enter_async_context(opened)

    async def end(self) -> None:
        """End the process."""
        if process := self._running():
            process.terminate()
        await self._exit.aclose()

    @asynccontextmanager
    async def open_process(self, command: list[str], **options: Any) -> AsyncIterator[Process]:
        """Open the process of a command in place of Prefect's function: of a run, the idle process if it is running."""
        environment = options.get("env")
        is_run = command == ENGINE and options == _OPTIONS | {"env": environment}
        process = self._running() if is_run else None
        async with AsyncExitStack() as stack:
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
        """Return the process if it is running."""
        return self._process if self._process and self._process.returncode is None else None


def main() -> None:
    """Load what a retraining needs, wait for the environment of a run, and go on as its process."""
    own = dict(os.environ)
    set_threads(load(Path.cwd()).runner.threads)  # NumPy reads them when TensorFlow imports it
    import_own("flows.retrain")
    import_keras()
    if line := sys.stdin.readline():
        environment = json.loads(line)
        if _without_run(environment) != _without_run(own) or not _is_current():
            os.execve(sys.executable, ENGINE, environment)  # noqa: S606
        os.environ.update(environment)
        importlib.invalidate_caches()
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")  # Prefect imports it already
        runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


def _without_run(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that all runs of a schedule have in common."""
    return {name: value for name, value in environment.items() if not name.startswith(_OF_RUN)}


def _is_current() -> bool:
    """Return whether a new process would load the same code, libraries and settings as this one has."""
    try:
        return not any(map(is_new, _files()))
    except OSError:  # one was removed
        return False


def _files() -> Iterator[Path]:
    """Yield the files of loaded modules, gristmill's other modules, metadata of libraries, and files of settings."""
    for module in [each for each in sys.modules.values() if isinstance(each, ModuleType)]:
        if file := object.__getattribute__(module, "__dict__").get("__file__"):  # another access loads a lazy module
            yield Path(file)
    yield from PACKAGE.rglob("*.py")  # a stage refuses to load what is newer than its process
    for folder in map(Path, sys.path):
        yield from folder.glob("*.dist-info/METADATA")
    settings = [Path(name) for name in _SETTINGS_FILES] + [get_current_settings().profiles_path]
    yield from (file for file in settings if file.exists())


if __name__ == "__main__":
    main()
