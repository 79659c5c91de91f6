"""A sample request and its answer are JSON of TensorFlow Serving's REST API."""

import json

import numpy as np
import pytest

from gristmill.export.kit import Sample, as_json, from_json, pick_rows
from gristmill.training.named_arrays import join_arrays

NUMBERS = np.array([[0.1, 1e-7], [np.float32(1) / 3, 2.0]], np.float32)


def test_rows_have_each_input_by_name() -> None:
    names = np.array([["Köln"], [""]], object)
    sample = Sample({"serving_default": {"numbers": NUMBERS, "categories": names}, "other": {}}, np.zeros(2))

    assert json.loads(json.dumps(sample.request())) == {
        "signature_name": "serving_default",
        "instances": [
            {"numbers": [0.1, 1e-7], "categories": ["Köln"]},
            {"numbers": [0.33333334, 2.0], "categories": [""]},
        ],
    }
    assert sample.answer({"output_0": [[1.5], [2.5]]}) == {"predictions": [[1.5], [2.5]]}
    assert sample.answer({"label": ["a", "b"], "p": [[1.0], [0.5]]}) == {
        "predictions": [{"label": "a", "p": [1.0]}, {"label": "b", "p": [0.5]}]
    }


def test_inputs_that_are_no_rows_are_sent_by_name() -> None:
    inputs = {"prompt": np.array(["O"], object), "temperature": np.float32(0.8), "seed": np.int64(42)}
    sample = Sample({"serving_default": inputs}, np.array(["O Romeo"], object), by_row=False)

    assert sample.request()["inputs"] == {"prompt": ["O"], "temperature": 0.8, "seed": 42}
    assert sample.answer({"text": ["O Rom"]}) == {"outputs": ["O Rom"]}


def test_floats_and_bytes_return_from_json_as_they_were() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    files = [b"\x00\xff", b""]

    assert np.array(json.loads(json.dumps(as_json(values.tolist()))), np.float32).tobytes() == values.tobytes()
    assert from_json(json.loads(json.dumps(as_json(files)))) == files


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (np.zeros((5, 2), np.float32), [0, 1, 2]),
        (np.array([[np.nan], [1], [np.nan], [2]], np.float32), [1, 3]),
        (np.full((2, 3, 1), np.nan, np.float32), [0]),
        (np.zeros((4, 224, 224, 3), np.uint8), [0]),
        (np.array(["a", "b" * 40_000, "c" * 40_000], object), [0, 1]),
        (join_arrays({"n": np.array([[np.nan], [1]], np.float32), "t": np.array([[""], ["x"]], object)}), [1]),
    ],
    ids=["few", "complete", "none complete", "large", "long", "named"],
)
def test_few_small_and_complete_rows_are_picked(inputs: np.ndarray, expected: list[int]) -> None:
    assert pick_rows(inputs).tolist() == expected
