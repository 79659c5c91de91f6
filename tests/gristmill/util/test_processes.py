"""A process that a run lives in ends with the one that started it, and is known from a later one with its id."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT
from gristmill.util.processes import is_running, process_identity

RUN = """
import signal
from gristmill.util.processes import end_with_parent
end_with_parent()
print("here", flush=True)
signal.pause()
"""
PARENT = f"""
import os
import subprocess
import sys
from gristmill.util.processes import PARENT_VARIABLE, end_with_parent
os.environ[PARENT_VARIABLE] = str(os.getpid())
end_with_parent()  # which it survives
subprocess.run([sys.executable, "-c", {RUN!r}])
"""


@pytest.mark.fault(30)
def test_a_run_is_gone_as_soon_as_its_parent_is() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "here\n"

    parent.kill()

    rest, _ = parent.communicate(timeout=60)  # which ends when both have closed it
    assert (rest, parent.returncode) == ("", -signal.SIGKILL)


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that waits, whose program has a name like a part of what the system tells of it."""
    program = tmp_path / "a) S 1 (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.fault(32)
def test_a_process_is_known_from_a_later_one_with_its_id(waiting: "subprocess.Popen[bytes]") -> None:
    began = process_identity(waiting.pid)
    assert began
    assert began == process_identity(waiting.pid) != process_identity(os.getpid())

    assert is_running(waiting.pid, began)
    assert not is_running(waiting.pid, process_identity(os.getpid()))
    assert is_running(waiting.pid)  # nothing is known of it but its id

    waiting.kill()
    os.waitid(os.P_PID, waiting.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(waiting.pid, began)  # although its parent has not asked yet how it ended
    waiting.wait()
    assert process_identity(waiting.pid) == ""
    assert not is_running(waiting.pid, began)


def test_what_the_system_says_nothing_of_is_taken_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.util.processes.process_identity", lambda pid: "")
    assert is_running(os.getpid(), "began at another time")


INTERRUPTED = """
import signal
import subprocess
import sys
from gristmill.util.processes import terminate_on_interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
terminate_on_interrupt()
try:
    code = "print('here', flush=True); input(); print('left alone')"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    signal.pause()
finally:
    child.communicate(b"\\n")
"""


def test_ctrl_c_ends_a_process_as_sigterm_does_and_leaves_those_that_it_started_to_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "here\n"

    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does

    rest, _ = parent.communicate(timeout=60)
    assert (rest, parent.returncode) == ("left alone\n", 7)
