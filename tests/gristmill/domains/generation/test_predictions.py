"""Each token of a part is told once, after what stands before it: beside loops that take them one by one."""

import numpy as np
import pytest

from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import PARTS, TokenStream
from gristmill.domains.generation.predictions import contexts, parity_sequences, windows
from helpers.small_writers import Folders

pytest_plugins = ["helpers.small_writers"]

LINES = [[5, 6, 7, 8], [9], [3, 4], [1, 2, 5, 6, 7]]


def stream(size: int = 40) -> TokenStream:
    values = np.arange(100, 100 + size, dtype=np.int32)
    bounds = {"train": (0, 20), "validation": (20, 29), "test": (29, size)}
    return TokenStream(values, np.arange(size, dtype=np.int32), bounds, 200)


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("size", [30, 37, 40])
def test_windows_overlap_by_half_and_tell_each_token_once(part: str, length: int, size: int) -> None:
    tokens, stride = stream(size), length - length // 2
    begin, end = tokens.bounds[part]

    seen, told = windows(tokens, part, length, stride)

    assert (seen.shape[1], told.shape[1]) == (length, stride)
    assert told.ravel()[: end - begin].tolist() == tokens.values[begin:end].tolist()
    assert told.size - (end - begin) < stride
    for position in range(begin, end):
        row, column = divmod(position - begin, stride)
        before = length - stride + column + 1  # tokens that the network has read when it tells this one
        assert 2 * before > length
        assert seen[row, :before].tolist() == tokens.values[position - before : position].tolist()


@pytest.mark.parametrize("length", [1, 2, 9])
def test_beginnings_are_what_stands_before_in_the_line(length: int) -> None:
    values = np.concatenate(LINES).astype(np.int32)
    before = np.array([at for line in LINES for at in range(len(line))], np.int32)
    tokens = TokenStream(values, before, {"test": (0, len(values))}, 10)

    seen = contexts(tokens, tokens.scored("test"), length)

    expected = [line[max(0, at - length) : at] for line in LINES for at in range(1, len(line))]
    width = min(length, 4)
    assert seen.tolist() == [[0] * (width - len(line)) + line for line in expected]
    assert seen.dtype == np.int32


@pytest.mark.parametrize("run", ["written", "in_lines"])
def test_the_tokens_of_all_parts_lie_end_to_end(run: str, request: pytest.FixtureRequest) -> None:
    folders: Folders = request.getfixturevalue(run)
    data = dataset.read(folders["preprocess"])

    tokens = data.token_stream()

    for part in PARTS:
        begin, end = tokens.bounds[part]
        assert tokens.values[begin:end].tolist() == data.stream(part).tolist()
        if run == "in_lines":
            depths = [at for line in data.lines(part) for at in range(len(line))]
            assert tokens.before[begin:end].tolist() == depths
        else:
            assert tokens.before[begin:end].tolist() == list(range(begin, end))


@pytest.mark.parametrize("size", [31, 60, 400])
def test_the_proof_is_taken_from_all_over_the_test_part(size: int) -> None:
    tokens = stream(size)

    shown = parity_sequences(tokens, 4)

    assert shown.shape == (min(64, size - 29), 4)
    assert shown[0].tolist() == tokens.values[25:29].tolist()
    assert shown[-1].tolist() == tokens.values[-5:-1].tolist()
