"""Bodies of TensorFlow Serving's REST API, as tensors of a signature."""

import base64
import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import RequestError
from gristmill.model_server.tensorflow_serving import metadata, parse_json, read_body, write_body


@pytest.fixture(scope="module")
def signatures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return signatures of the kinds that exported models have, as TensorFlow loads them."""
    numbers, names = tf.TensorSpec((None, 2), tf.float32, "numbers"), tf.TensorSpec((None, 1), tf.string, "names")
    texts, length = tf.TensorSpec((None,), tf.string, "text"), tf.TensorSpec((), tf.int32, "length")
    functions = {
        "serving_default": tf.function(lambda numbers, names: {"sum": tf.reduce_sum(numbers, 1), "name": names[:, 0]}),
        "images": tf.function(lambda image: {"mean": tf.reduce_mean(tf.cast(image, tf.float32), axis=(1, 2))}),
        "texts": tf.function(lambda text, length: {"text": tf.strings.substr(text, 0, length)}),
    }
    specs = {
        "serving_default": (numbers, names),
        "images": (tf.TensorSpec((None, 2, 2), tf.uint8, "image"),),
        "texts": (texts, length),
    }
    folder = str(tmp_path_factory.mktemp("saved_model"))
    given = {name: function.get_concrete_function(*specs[name]) for name, function in functions.items()}
    tf.saved_model.save(tf.Module(), folder, given)
    found: dict[str, Any] = tf.saved_model.load(folder).signatures
    return found


def read(signatures: dict[str, Any], body: Any) -> tuple[str, dict[str, Any], str]:
    return read_body(json.dumps(body).encode(), signatures)


def test_rows_and_columns_are_the_same_tensors(signatures: dict[str, Any]) -> None:
    instances = [{"numbers": [1, None], "names": ["a"]}, {"numbers": [2.5, 3], "names": ["b"]}]
    inputs = {"numbers": [[1, None], [2.5, 3]], "names": [["a"], ["b"]]}

    name, by_row, form = read(signatures, {"instances": instances})
    _, by_column, other = read(signatures, {"inputs": inputs})

    assert (name, form, other) == ("serving_default", "instances", "inputs")
    for found in (by_row, by_column):
        assert found["numbers"].dtype == np.float32
        np.testing.assert_array_equal(found["numbers"], [[1, np.nan], [2.5, 3]])
        assert found["names"].tolist() == [["a"], ["b"]]


def test_the_name_of_a_single_input_may_be_left_out(signatures: dict[str, Any]) -> None:
    image = [[0, 255], [1, 2]]
    for instances in ([image], [{"image": image}]):
        _, found, _ = read(signatures, {"signature_name": "images", "instances": instances})
        assert found["image"].dtype == np.uint8
        assert found["image"].tolist() == [image]


def test_bytes_are_base64_and_scalars_are_inputs(signatures: dict[str, Any]) -> None:
    encoded = {"b64": base64.b64encode(b"\xff\x00").decode()}
    _, found, _ = read(signatures, {"signature_name": "texts", "inputs": {"text": [encoded, "b"], "length": 1}})
    assert found["text"].tolist() == [b"\xff\x00", "b"]
    assert found["length"].shape == ()


def test_answers_are_rows_or_columns_and_json() -> None:
    outputs = {"sum": np.array([1.5, np.nan], np.float32), "name": np.array([b"a", b"\xc3\xa9"], object)}
    assert write_body(outputs, "instances") == {"predictions": [{"sum": 1.5, "name": "a"}, {"sum": None, "name": "é"}]}
    assert write_body(outputs, "inputs") == {"outputs": {"sum": [1.5, None], "name": ["a", "é"]}}
    assert write_body({"sum": outputs["sum"]}, "instances") == {"predictions": [1.5, None]}


ROW = {"numbers": [1, 2], "names": ["a"]}
WRONG: list[tuple[Any, str]] = [
    ([], "the body: expected an object with 'instances' or 'inputs'. Received: a list of 0."),
    ({}, "the body: expected either 'instances' or 'inputs'. Received: neither."),
    ({"instances": [ROW], "inputs": {}}, "Received: instances and inputs."),
    ({"instance": [ROW]}, "unknown field 'instance'. Did you mean 'instances'?"),
    ({"instances": [ROW], "signature_name": "serving"}, "signature_name: the model has no signature 'serving'."),
    ({"instances": [ROW], "signature_name": ["serving_default"]}, "signature_name: the model has no signature"),
    ({"instances": []}, "instances: expected a list of examples. Received: a list of 0."),
    ({"instances": ROW}, "instances: expected a list of examples. Received: an object."),
    ({"instances": [ROW, 3]}, "instances[1]: expected an object with 'names', 'numbers'. Received: 3."),
    ({"instances": [ROW, {"numbers": [1, 2]}]}, "instances[1].names is missing."),
    ({"instances": [ROW | {"number": 1}]}, "instances[0]: unknown input 'number'."),
    ({"instances": [ROW, ROW | {"numbers": [1]}]}, "instances[1].numbers: expected the shape [2]. Received: [1]."),
    ({"instances": [ROW, ROW | {"numbers": ["1", 2]}]}, "instances[1].numbers: expected numbers. Received: '1'."),
    ({"instances": [ROW | {"numbers": [True, None]}]}, "instances[0].numbers: expected numbers. Received: True."),
    ({"instances": [ROW | {"numbers": [[1], 2]}]}, "instances[0].numbers: expected lists of equal lengths."),
    ({"instances": [ROW | {"names": [3]}]}, "instances[0].names: expected texts, or bytes"),
    ({"instances": [ROW | {"names": [{"b64": "§"}]}]}, "instances[0].names.b64: expected base64."),
    ({"instances": [ROW | {"names": [{"b65": ""}]}]}, "instances[0].names: expected a text, or bytes"),
    ({"inputs": {"numbers": [[1, 2]], "names": [["a"], ["b"]]}}, "inputs: expected the same number of rows in each."),
    ({"signature_name": "images", "instances": [[[0, 256], [1, 2]]]}, "expected integers from 0 to 255."),
    ({"signature_name": "images", "instances": [[[0, 0.5], [1, 2]]]}, "expected integers. Received: 0.5."),
    ({"signature_name": "texts", "instances": ["a"]}, "instances: this signature takes inputs that are not rows."),
    ({"signature_name": "texts", "inputs": {"text": ["a"], "length": [1]}}, "inputs.length: expected the shape []."),
]


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_an_error_names_the_field(signatures: dict[str, Any], body: Any, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        read(signatures, body)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError, match=r"^the body is not JSON"):
        parse_json(body)


NAMES = st.sampled_from(["b64", "numbers", "names", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=8,
)


@given(body=st.fixed_dictionaries({}, optional={"instances": JSON, "inputs": JSON, "signature_name": JSON}) | JSON)
def test_any_json_is_read_or_refused_in_one_line(signatures: dict[str, Any], body: Any) -> None:
    try:
        _, tensors, _ = read(signatures, body)
    except RequestError as refused:
        message = str(refused)
    else:
        message = " ".join(type(array).__name__ for array in tensors.values())
    assert message
    assert "\n" not in message


def test_the_metadata_lists_all_inputs_and_outputs(signatures: dict[str, Any]) -> None:
    found = metadata(signatures)["serving_default"]
    assert found["inputs"]["numbers"]["dtype"] == "DT_FLOAT"
    assert found["inputs"]["numbers"]["tensor_shape"] == {"dim": [{"size": "-1"}, {"size": "2"}]}
    assert found["outputs"]["name"]["dtype"] == "DT_STRING"
