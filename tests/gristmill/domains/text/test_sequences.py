"""Sequences end to end in one array are what a list of arrays would be."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.text.tokens import Sequences, starts_from_lengths

LISTS = st.lists(st.lists(st.integers(1, 9), max_size=6), max_size=6)


def sequences(lists: list[list[int]]) -> Sequences:
    values = np.array([value for one in lists for value in one], np.int32)
    return Sequences(values, starts_from_lengths(np.array([len(one) for one in lists], np.int64)))


def listed(made: Sequences) -> list[list[int]]:
    return [one.tolist() for one in made]


@given(LISTS, st.integers(0, 6), st.integers(0, 6))
def test_a_stretch_holds_the_sequences_between(lists: list[list[int]], begin: int, more: int) -> None:
    begin = min(begin, len(lists))
    made = sequences(lists).between(begin, min(begin + more, len(lists)))

    assert listed(made) == lists[begin : begin + more]
    assert made.lengths.tolist() == [len(one) for one in lists[begin : begin + more]]


@given(LISTS, st.randoms())
def test_sequences_are_taken_in_any_order(lists: list[list[int]], random: np.random.Generator) -> None:
    order = [random.randrange(len(lists)) for _ in lists]

    assert listed(sequences(lists).taken(np.array(order, np.int64))) == [lists[at] for at in order]


@given(LISTS, st.integers(1, 7))
def test_long_sequences_lose_their_end_or_their_beginning(lists: list[list[int]], length: int) -> None:
    assert listed(sequences(lists).truncated(length, "post")) == [one[:length] for one in lists]
    assert listed(sequences(lists).truncated(length, "pre")) == [one[-length:] for one in lists]
