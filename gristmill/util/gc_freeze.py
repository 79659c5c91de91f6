"""Imports of large libraries without garbage collection of the objects that they create for good."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def gc_frozen() -> Iterator[None]:
    """Disable garbage collection for imports within the block, and exempt what they create from it.

    TensorFlow creates half a million objects. Searching them for garbage takes a quarter of its import time, and later
    a third of a second whenever a network is built, because Keras collects garbage first.
    """
    before, was_enabled = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        if was_enabled:
            gc.enable()
