"""The idle process of a schedule: which runs it takes, when it gives way to a new process, and when it ends."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn
from uuid import uuid4

import anyio
import psutil
import pytest
from prefect.runner._starter_engine import EngineCommandStarter
from prefect.utilities import processutils

from conftest import ROOT
from gristmill.prefect_runtime import idle_process as module
from gristmill.prefect_runtime.idle_process import keep_idle_process
from gristmill.util.processes import is_running
from helpers.support import wait_until

WAITS = """
import json, os, sys
if line := sys.stdin.readline():
    print(json.dumps([os.getpid(), dict(os.environ), json.loads(line)]), flush=True)
"""
"""An idle process that prints what it is given."""


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", [sys.executable, "-c", WAITS])


def with_idle_process(check: Callable[[], Awaitable[None]]) -> None:
    """Run a check while an idle process is kept; afterwards nothing is left of it."""

    async def run() -> None:
        async with keep_idle_process():
            await check()

    before, original = psutil.Process().children(), processutils.open_process
    asyncio.run(run())
    assert set(psutil.Process().children()) <= set(before)
    assert processutils.open_process is original


def test_the_runner_gives_each_run_to_a_process_that_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    """Prefect's own way to start a run; in a version without it, runs would start in new processes."""
    pids, ids = [], [uuid4(), uuid4()]

    async def check() -> None:
        for number in ids:
            idle = {child.pid for child in psutil.Process().children() if WAITS in child.cmdline()}
            async with anyio.create_task_group() as tasks:
                handle = await tasks.start(EngineCommandStarter().start, SimpleNamespace(id=number))
            assert idle == {handle.pid}
            assert handle.returncode == 0
            pids.append(handle.pid)

    with_idle_process(check)

    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [pid for pid, *_ in printed] == pids
    assert len(set(pids)) == 2
    assert [given["PREFECT__FLOW_RUN_ID"] for *_, given in printed] == list(map(str, ids))
    for _, own, given in printed:
        assert module._without_run(given) == module._without_run(own)


def has_ended(pid: int) -> bool:
    """Return whether a child has ended, even if its parent has not noticed it."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


OTHERS = "another command", "another folder", "another group", "no output", "killed", "noticed"


@pytest.mark.parametrize("case", OTHERS)
def test_other_processes_are_started_as_before(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", "print('new')"]
    options = {"env": dict(os.environ), "stdout": PIPE, "stderr": PIPE, "cwd": None}
    options |= {"another folder": {"cwd": tmp_path}, "another group": {"start_new_session": True}}.get(case, {})
    options |= {"stdout": subprocess.DEVNULL} if case == "no output" else {}
    if case != "another command":
        monkeypatch.setattr(module, "ENGINE", command)

    async def check() -> None:
        (idle,) = (child.pid for child in psutil.Process().children() if WAITS in child.cmdline())
        if case in ("killed", "noticed"):
            os.kill(idle, signal.SIGKILL)
            wait_until(lambda: has_ended(idle), "the idle process to end")
        if case == "noticed":  # by the event loop
            with anyio.fail_after(10):
                while psutil.pid_exists(idle):
                    await asyncio.sleep(0.01)
        async with processutils.open_process(command, **options) as process:
            assert process.pid != idle
            if process.stdout:
                assert (await process.stdout.receive()).strip() == b"new"
            assert await process.wait() == 0

    with_idle_process(check)


def test_nothing_is_kept_with_a_prefect_that_starts_processes_in_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(processutils, "open_process")
    before = psutil.Process().children()

    async def check() -> None:
        async with keep_idle_process():
            assert psutil.Process().children() == before
            assert not hasattr(processutils, "open_process")

    asyncio.run(check())


@pytest.mark.slow
def test_it_ends_with_a_schedule_that_is_killed() -> None:
    code = f"""
import asyncio
from gristmill.prefect_runtime import idle_process as module
module._IDLE[1:] = ["-c", {WAITS!r}]

async def main():
    async with module.keep_idle_process():
        print("kept", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
    schedule = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=PIPE, text=True
    )
    with schedule:
        try:
            assert schedule.stdout
            assert schedule.stdout.readline() == "kept\n"
            (idle,) = psutil.Process(schedule.pid).children()
        finally:
            schedule.kill()
    wait_until(lambda: not is_running(idle.pid), "the idle process to end")


@pytest.fixture
def wake_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str] | None], list[Any]]:
    """Give a process, in which nothing is loaded or run, an environment; return what it did."""

    def wake(given: dict[str, str] | None) -> list[Any]:
        done: list[Any] = []

        def replaced(*arguments: Any) -> NoReturn:
            done.append(arguments)
            raise SystemExit

        for name in ("import_own", "import_keras", "set_threads"):
            monkeypatch.setattr(module, name, lambda *_: None)
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(given) + "\n" if given else ""))
        monkeypatch.setattr("runpy.run_module", lambda name, **_: done.append((name, os.environ.get("PREFECT__ID"))))
        monkeypatch.setattr("os.execve", replaced)
        with suppress(SystemExit):
            module.main()
        return done

    monkeypatch.chdir(project)
    monkeypatch.setenv("PREFECT__ID", "before")
    return wake


def test_it_goes_on_as_the_run_or_is_replaced_by_a_new_process(
    wake_up: Callable[[dict[str, str] | None], list[Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded, run = tmp_path / "loaded.py", os.environ | {"PREFECT__ID": "this run"}
    loaded.touch()
    monkeypatch.setattr(module, "_files", lambda: iter([loaded]))
    monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", time.time_ns() + 10**9)

    def cold(environment: dict[str, str]) -> list[Any]:
        return [(sys.executable, [sys.executable, "-m", "prefect.engine"], environment)]

    assert wake_up(None) == []  # the schedule has ended
    assert wake_up(run) == [("prefect.engine", "this run")]
    other = {**run, "GRISTMILL_STORE": "elsewhere"}
    assert wake_up(other) == cold(other)
    os.utime(loaded, (time.time() + 9, time.time() + 9))
    assert wake_up(run) == cold(run)
    loaded.unlink()
    assert wake_up(run) == cold(run)


def test_a_run_reports_itself_what_the_idle_process_cannot_load(
    wake_up: Callable[[dict[str, str] | None], list[Any]], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_files", lambda: iter(()))
    monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", time.time_ns() + 10**12)  # not noticed by its time
    (project / "pipelines.toml").write_text("[pipelines")

    (replaced,) = wake_up(dict(os.environ))

    assert replaced[1] == [sys.executable, "-m", "prefect.engine"]


@pytest.mark.parametrize("change", ["written", "removed"])
def test_files_of_settings_that_come_or_go_are_noticed(
    change: str, wake_up: Callable[[dict[str, str] | None], list[Any]], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_files", lambda: iter(()))
    monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", time.time_ns() + 10**12)  # not noticed by its time
    settings = project / ".env"
    if change == "removed":
        settings.touch()

    def load() -> None:
        settings.unlink() if change == "removed" else settings.touch()

    monkeypatch.setattr(module, "_load", load)

    (replaced,) = wake_up(dict(os.environ))

    assert replaced[1] == [sys.executable, "-m", "prefect.engine"]


def test_code_libraries_and_settings_are_watched(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [str(project)])
    metadata = project / "own-1.0.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.touch()
    own = [Path(str(found.__file__)) for found in (module, pytest)]
    without_dictionary = type("Lib", (ModuleType,), {"__dict__": property()})  # as of cffi for an opened library
    monkeypatch.setitem(sys.modules, "library", without_dictionary("library"))

    watched = set(module._files())

    assert watched >= {metadata, ROOT / "gristmill/domains/vision/dataset.py", *own}
    assert Path("pipelines.toml") in module._settings_files()
    assert Path("prefect.toml") not in module._settings_files()
