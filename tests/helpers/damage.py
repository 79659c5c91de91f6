"""Files that are not what they were: a few bytes changed, cut out or put in."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from helpers.scoreboard import Fault

T = TypeVar("T")

Change = tuple[int, int, bytes]  # where, how many bytes go, what comes in their place


def damaged(whole: bytes, *put_in: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy of what is left of a file; some of what is put in means something to its readers."""
    place, gone = st.integers(0, len(whole)), st.integers(0, 9) | st.just(len(whole))
    change = st.tuples(place, gone, st.binary(max_size=3) | st.sampled_from(put_in or (b"\0",)))
    return st.lists(change, min_size=1, max_size=4).map(partial(_changed, whole))


def tried(examples: int) -> settings:
    """Return the settings of a test that tries so many examples, ten times as many where faults are tried in full."""
    times = 10 if Fault.full else 1
    return settings(max_examples=times * examples, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(refusal: type[Exception], read: Callable[[], T]) -> tuple[T | None, str]:
    """Return what is read and nothing, or None and the line by which it is refused."""
    try:
        return read(), ""
    except refusal as refused:
        return None, str(refused)


def _changed(whole: bytes, changes: list[Change]) -> bytes:
    left = bytearray(whole)
    for place, gone, come in changes:
        left[place : place + gone] = come
    return bytes(left)
