"""Ctrl-C before the command line is loaded."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

INTERRUPTED = """
import sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "gristmill.cli.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from gristmill.__main__ import main
main()
"""


def test_ctrl_c_while_the_command_line_loads_prints_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
