"""Windows and beginnings of lines: which tokens are seen, what is told, and what differs from epoch to epoch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.generation.dataset import Layout, Prepared, read, write_layout, write_tokens
from gristmill.domains.generation.settings import Train
from gristmill.domains.generation.train import TokenWindowFeed, feed_of, prefixes_of, validation_of
from gristmill.domains.text.tokens import Sequences, starts_from_lengths
from helpers.feeds import batches_of, batches_of_element

STREAM = np.arange(100, 131, dtype=np.int32)
LINES = [[5, 6, 7, 8], [9], [], [3, 4], [1, 2, 5, 6, 7]]
FLAT = Sequences(
    np.array([5, 6, 7, 8, 9, 3, 4, 1, 2, 5, 6, 7], np.int32),
    starts_from_lengths(np.array([len(line) for line in LINES])),
)


@pytest.fixture
def prepared(tmp_path: Path) -> Any:
    """Return a function that prepares the stream or the lines, the last windows or lines for validation."""

    def call(examples: str, length: int = 4) -> Prepared:
        tokens, cut, end = (STREAM, 21, 31) if examples == "windows" else (FLAT.values, 3, 5)
        write_tokens(tokens, tmp_path)
        np.save(tmp_path / "starts.npy", FLAT.starts, allow_pickle=False)
        bounds = {"train": (0, cut), "validation": (cut, end), "test": (end, end)}
        write_layout(Layout("word", 140, examples, length, bounds, {}, {}), tmp_path)
        return read(tmp_path)

    return call


def window_feed(stream: Any = STREAM, length: int = 4, **settings: Any) -> TokenWindowFeed:
    return TokenWindowFeed(stream, length, Train(**{"batch_size": 3, "epochs": 5, "seed": 1} | settings))


def first_tokens(feed: TokenWindowFeed, number: int) -> list[int]:
    return [int(window[0]) for windows, _ in batches_of(feed, number) for window in windows]


def test_a_window_is_told_the_token_after_each() -> None:
    for windows, following in batches_of(window_feed()):
        assert windows.shape[1:] == following.shape[1:] == (4,)
        assert (following == windows + 1).all()


@pytest.mark.parametrize(("tokens", "count", "begins"), [(31, 6, 4), (32, 7, 4), (5, 1, 1)])
def test_windows_lie_end_to_end_from_a_token_drawn_for_each_epoch(tokens: int, count: int, begins: int) -> None:
    feed = window_feed(np.arange(tokens, dtype=np.int32), epochs=12)
    epochs = [batches_of_element(feed, element) for element in feed.stream(0)]
    firsts = [sorted(int(window[0]) for windows, _ in batches for window in windows) for batches in epochs]

    assert len(firsts) == 12
    for found in firsts:
        assert found == list(range(found[0], found[0] + 4 * count, 4))
        assert found[-1] + 4 < tokens  # the token after the last one of the window
    assert {found[0] for found in firsts} == set(range(begins))


@pytest.mark.slow
def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    assert first_tokens(window_feed(), 3) == first_tokens(window_feed(), 3)
    assert first_tokens(window_feed(), 3) != first_tokens(window_feed(seed=2), 3)
    assert first_tokens(window_feed(), 3) != first_tokens(window_feed(), 4)


def test_an_epoch_may_be_shorter() -> None:
    assert [len(windows) for windows, _ in batches_of(window_feed(steps_per_epoch=1))] == [3]
    assert window_feed(steps_per_epoch=1).updates == 1


def test_windows_of_validation_lie_end_to_end_from_its_first_token_on(prepared: Any) -> None:
    judged = validation_of(prepared("windows"), Train(batch_size=2))

    ((windows, following),) = judged.as_numpy_iterator()
    assert windows.tolist() == [[121, 122, 123, 124], [125, 126, 127, 128]]
    assert following.tolist() == [[122, 123, 124, 125], [126, 127, 128, 129]]


def prefixes(lines: list[list[int]], length: int) -> list[tuple[list[int], int]]:
    """Return what is seen and what is told, by a loop."""
    return [(line[max(0, at - length) : at], line[at]) for line in lines for at in range(1, len(line))]


@pytest.mark.parametrize("length", [2, 3, 50])
def test_every_beginning_of_a_line_is_told_the_token_that_follows(length: int) -> None:
    positions, gather = prefixes_of(FLAT, length)

    seen, following = (found.numpy().tolist() for found in gather(positions))

    width, expected = min(length, 4), prefixes(LINES, length)
    assert seen == [[0] * (width - len(line)) + line for line, _ in expected]
    assert following == [token for _, token in expected]


def test_beginnings_come_once_an_epoch_as_wide_as_the_longest_of_their_batch(prepared: Any) -> None:
    feed = feed_of(prepared("prefixes", length=50), Train(batch_size=2, seed=1))

    found = batches_of(feed)

    pairs = [(row[row > 0].tolist(), int(told)) for batch in found for row, told in zip(*batch, strict=True)]
    assert sorted(pairs) == sorted(prefixes(LINES[:3], 50))
    assert [len(rows) for rows, _ in found] == [2, 1]
    assert all(rows.all(axis=1).any() for rows, _ in found)  # one of them fills it
    assert len({str([told.tolist() for _, told in batches_of(feed, number)]) for number in range(5)}) > 1


def test_beginnings_of_validation_come_in_order(prepared: Any) -> None:
    judged = validation_of(prepared("prefixes"), Train(batch_size=4))

    found = [(seen.tolist(), told.tolist()) for seen, told in judged.as_numpy_iterator()]
    assert found == [
        ([[0, 0, 3], [0, 0, 1], [0, 1, 2], [1, 2, 5]], [4, 2, 5, 6]),
        ([[1, 2, 5, 6]], [7]),
    ]


def test_lines_of_one_token_give_nothing_to_judge_on() -> None:
    assert not prefixes_of(FLAT.between(1, 3), 5)[0].shape[0]
