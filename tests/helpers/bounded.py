"""Work in a process that may take no more memory than it is given."""

import subprocess
import sys

import pytest

from conftest import ROOT

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not cap the memory of a process")

_SCRIPT = """
import re, resource, sys
from pathlib import Path
from gristmill.errors import DataError
{imports}
def peak():  # of this program; `ru_maxrss` begins with what the process held before it became this one
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
with open("/proc/self/statm") as statm:
    taken = int(statm.read().split()[0]) * resource.getpagesize()
before = peak()
resource.setrlimit(resource.RLIMIT_AS, (taken + ({cap} << 20), resource.RLIM_INFINITY))
try:
    {work}
    print("done")
except DataError as error:
    print(error)
except MemoryError:
    print("out of memory")
print((peak() - before) / 1024)
"""


def bounded(imports: str, work: str, cap: int, *words: str) -> tuple[str, float]:
    """Do some work and return the line that it ended with, and how many MiB it took.

    Args:
        imports: what is loaded before the memory is counted.
        work: an expression; `sys.argv[1:]` are the words.
        cap: MiB that it may take.
        words: of the command line.

    Returns:
        "done", "out of memory", or the message of a `DataError`; the most MiB that it held.
    """
    script = _SCRIPT.format(imports=imports, work=work, cap=cap)
    command = [sys.executable, "-c", script, *words]
    *said, peak = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    (line,) = said
    return line, float(peak)
