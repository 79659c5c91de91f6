"""The collector passes over what was imported, and works on."""

import gc
import subprocess
import sys

import pytest

from gristmill.util.gc_freeze import gc_frozen

IMPORTS = """
import gc
from gristmill.util.gc_freeze import gc_frozen
with gc_frozen():
    assert not gc.isenabled()
    import keyword, wsgiref.validate
print(gc.isenabled(), gc.get_freeze_count() > 1000)
with gc_frozen():
    frozen = gc.get_freeze_count()
    garbage = [[] for _ in range(10_000)]
    import keyword
print(gc.isenabled(), gc.get_freeze_count() <= frozen)
"""


def test_what_is_imported_is_frozen_and_what_is_not_is_left_to_the_collector() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)

    assert (done.stdout.split("\n"), done.stderr) == (["True True", "True True", ""], "")


@pytest.mark.parametrize("enabled", [True, False])
def test_it_is_left_as_it_was_also_where_an_import_fails(enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(ImportError), gc_frozen():
            raise ImportError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
