"""Measure repeated calls, such as predictions."""

import time
from collections.abc import Callable


def fastest(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some calls: the first may compile, and others may wait for the machine."""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)
