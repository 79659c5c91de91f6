"""Large libraries imported without the garbage collector's looking at what they leave in memory for good."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def gc_frozen() -> Iterator[None]:
    """Import within the block what is large and stays.

    TensorFlow makes half a million objects. To look for garbage among them takes a quarter of the time of its import,
    and then a third of a second whenever a network is built, for Keras collects before it.
    """
    before, collects = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        if collects:
            gc.enable()
