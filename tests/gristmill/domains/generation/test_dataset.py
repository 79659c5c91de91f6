"""What preprocess wrote is read as it was: a stream in parts, or lines of which no one reaches into another part."""

from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import PARTS, Layout, pieces, write_layout, write_tokens
from gristmill.util.table_io import read_table
from helpers.small_writers import Folders

pytest_plugins = ["helpers.small_writers"]

TOKENS = np.array([5, 6, 7, 8, 9, 3, 4, 1, 2, 5], np.int32)
LAYOUTS = {
    "windows": Layout("word", 12, "windows", 3, {"train": (0, 5), "validation": (5, 7), "test": (7, 10)}, {}, {}),
    "prefixes": Layout("word", 12, "prefixes", 3, {"train": (0, 2), "validation": (2, 3), "test": (3, 4)}, {}, {}),
}


@pytest.mark.parametrize("examples", LAYOUTS)
def test_parts_are_cut_from_the_tokens_of_all(examples: str, tmp_path: Path) -> None:
    write_layout(LAYOUTS[examples], tmp_path)
    write_tokens(TOKENS, tmp_path)
    np.save(tmp_path / "starts.npy", np.array([0, 3, 5, 7, 10]), allow_pickle=False)

    data = dataset.read(tmp_path)

    assert data.layout == LAYOUTS[examples]
    assert data.layout.after_each == (examples == "windows")
    assert [data.stream(part).tolist() for part in PARTS] == [[5, 6, 7, 8, 9], [3, 4], [1, 2, 5]]
    assert data.stream("train").dtype == np.int32
    if examples == "prefixes":
        lines = [[line.tolist() for line in data.lines(part)] for part in PARTS]
        assert lines == [[[5, 6, 7], [8, 9]], [[3, 4]], [[1, 2, 5]]]


def test_the_tokens_are_a_table_of_one_column(tmp_path: Path) -> None:
    write_tokens(TOKENS, tmp_path)

    table = read_table(tmp_path / "tokens.parquet")

    assert table["token"].tolist() == TOKENS.tolist()
    assert [str(kind) for kind in table.dtypes] == ["int32"]


@pytest.mark.slow
def test_the_vocabulary_is_the_tokenizers(written: Folders) -> None:
    data = dataset.read(written["preprocess"])

    assert data.vocabulary["token"].tolist() == data.tokenizer().tokens


def test_pieces_are_the_text_and_end_with_a_line() -> None:
    text = "a line of text\n" * 40

    found = pieces(text, 100)

    assert "".join(found) == text
    assert all(piece.endswith("\n") and 100 < len(piece) < 120 for piece in found[:-1])
    assert pieces("", 100) == []
    assert pieces("x" * 250, 100) == ["x" * 250]
