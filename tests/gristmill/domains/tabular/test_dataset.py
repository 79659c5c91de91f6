"""What is written is what is read, and a network's inputs are the rows as they stand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Layout, Prepared, by_part, raw_inputs
from gristmill.export.bundle import read_inputs, write_inputs
from gristmill.training.named_arrays import count_bytes
from gristmill.training.saved_network import as_tensors

ROWS = pd.DataFrame({"part": ["Köln", "B"], "x": [1.0, 2.5], "z": [3.0, 4.0], "y": [5.0, 6.0]}, index=[7, 9])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    layout = Layout("y", ["x"], {"part": ["B"]}, {"x": 0.1, "y": 1.0}, {"x": 3.0, "y": 1 / 3})
    table = ROWS[["x", "part", "y"]].reset_index(drop=True)

    dataset.write(Prepared(table, np.array(["test", "train"]), layout), tmp_path)

    read = dataset.read(tmp_path)
    assert read.layout == layout
    assert read.parts.tolist() == ["test", "train"]
    assert read.truth.tolist() == [5, 6]
    pd.testing.assert_frame_equal(read.table, table, check_dtype=False)
    assert read.inputs["numbers"].tolist() == [[1], [2.5]]
    assert read.inputs["categories"].tolist() == [["Köln"], ["B"]]


def test_numbers_alone_are_one_array() -> None:
    inputs = raw_inputs(ROWS, {"numbers": ["z", "x"]})
    assert inputs.dtype == np.float32
    assert inputs.tolist() == [[3, 1], [4, 2.5]]


def test_categories_alone_are_one_array_of_text() -> None:
    inputs = raw_inputs(ROWS, {"categories": ["part"]})
    assert inputs.tolist() == [["Köln"], ["B"]]


def test_both_are_fields_of_rows_that_can_be_cut_and_sent_to_another_process(tmp_path: Path) -> None:
    inputs = raw_inputs(ROWS, {"numbers": ["x", "z"], "categories": ["part"]})

    write_inputs(inputs[1:], tmp_path)

    read = read_inputs(tmp_path)
    assert read["numbers"].tolist() == [[2.5, 4]]
    assert read["categories"].tolist() == [["B"]]


@pytest.mark.parametrize("numbers", [[], ["x"]])
def test_one_long_text_does_not_widen_the_others(numbers: list[str]) -> None:
    rows = pd.DataFrame({"x": 0.0, "note": ["short"] * 2_000})
    rows.loc[7, "note"] = "long " * 200_000
    inputs = raw_inputs(rows, ({"numbers": numbers} if numbers else {}) | {"texts": ["note"]})
    assert inputs.nbytes < 100_000
    assert count_bytes(inputs) < 1_100_000
    assert as_tensors(inputs[:8])["texts" if numbers else ...][7, 0].numpy() == b"long " * 200_000


def test_parts_without_rows_are_left_out() -> None:
    rows = pd.DataFrame({"part": ["test", "train", "test"], "y": [1, 2, 3]})
    assert {part: own["y"].tolist() for part, own in by_part(rows).items()} == {"train": [2], "test": [1, 3]}
