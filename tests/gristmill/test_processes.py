"""A process that a run lives in ends with the one that started it."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

RUN = """
import signal
from gristmill.processes import end_with_parent
end_with_parent()
print("here", flush=True)
signal.pause()
"""
PARENT = f"""
import os
import subprocess
import sys
from gristmill.processes import PARENT, end_with_parent
os.environ[PARENT] = str(os.getpid())
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
