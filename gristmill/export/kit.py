"""The export kit: files of a bundle that show how to use its SavedModel.

    sample_request.json      a request to TensorFlow Serving, with rows of the test set
    sample_response.json     its answer
    example.py               the same request in Python, without gristmill
    saved_model/assets.extra/tf_serving_warmup_requests    sent by TensorFlow Serving itself when it loads the model

`replay` uses all of them in the fresh process of the parity proof, and `check` compares the answers with what was
scored.

Request and answer are in the JSON of TensorFlow Serving's REST API:

    {"signature_name": "serving_default", "instances": [{"history": [[58.0], [62.6]]}]}
    {"predictions": [[[60.1]]]}

    {"signature_name": "serving_default", "inputs": {"prompt": ["O Romeo"], "length": 20}}
    {"outputs": ["O Romeo, Romeo"]}

`instances` has an object for each row, with the inputs of the signature by name. Inputs that do not belong to a row,
such as a length, are sent as `inputs`. A signature with one output answers with its values, otherwise with objects by
name. Bytes are base64 in an object `b64`. See https://www.tensorflow.org/tfx/serving/api_rest.
"""

import base64
import json
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.errors import ParityError
from gristmill.export import warmup
from gristmill.settings.number_text import format_number
from gristmill.training.named_arrays import count_bytes, split_arrays
from gristmill.util.table_io import read_document

REQUEST, RESPONSE, EXAMPLE = "sample_request.json", "sample_response.json", "example.py"
SAVED_MODEL = "saved_model"

Array = npt.NDArray[Any]
Outputs = dict[str, Any]  # of a signature by name, as nested lists

_MAX_ROWS, _MAX_BYTES = 3, 1 << 16  # of a sample
_EXAMPLE = '''"""Run {request} through the model, as TensorFlow Serving does, and print the answer.

It needs only the Python package {package}.
"""

{imports}

folder = Path(__file__).parent


def answer(model):
    """Return the outputs of the loaded model by name, as nested lists."""
    request = json.loads((folder / "{request}").read_text(encoding="utf-8"))
    signature = model.signatures[request["signature_name"]]
    types = {{name: spec.dtype for name, spec in signature.structured_input_signature[1].items()}}
    {inputs}
    return {{name: output.numpy().tolist() for name, output in signature(**inputs).items()}}


if __name__ == "__main__":
    print(answer(tf.saved_model.load(folder / "{model}")))
'''
_ROWS = 'inputs = {name: tf.constant([row[name] for row in request["instances"]], types[name]) for name in types}'
_FILES = """inputs = {
        name: tf.constant([base64.b64decode(row[name]["b64"]) for row in request["instances"]], types[name])
        for name in types
    }"""
_COLUMNS = 'inputs = {name: tf.constant(value, types[name]) for name, value in request["inputs"].items()}'


@dataclass(frozen=True)
class Sample:
    """Inputs of a few test rows, and what was scored for them."""

    inputs: Mapping[str, Mapping[str, Array]]  # by signature and name; the sample request is for the first signature
    scored: Array  # (rows, …): predictions, or texts that begin with the generated ones
    by_row: bool = True  # whether each input has a value for each row

    def request(self) -> dict[str, Any]:
        """Return the body of a request."""
        signature, inputs = next(iter(self.inputs.items()))
        values = {name: as_json(array.tolist()) for name, array in inputs.items()}
        if not self.by_row:
            return {"signature_name": signature, "inputs": values}
        rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        return {"signature_name": signature, "instances": rows}

    def answer(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of an answer, given the outputs as nested lists."""
        values = {name: as_json(outputs[name]) for name in sorted(outputs)}
        (only, *others) = values.values()
        if not self.by_row:
            return {"outputs": values if others else only}
        rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        return {"predictions": rows if others else only}


def write(bundle: Path, sample: Sample, needs: Sequence[str] = ()) -> None:
    """Write the kit of a bundle without the answer; `needs` are modules that its graph needs."""
    request = sample.request()
    write_body(bundle / REQUEST, request)
    (bundle / EXAMPLE).write_text(example(request, needs), encoding="utf-8")
    warmup.write(bundle / SAVED_MODEL, sample.inputs)


def write_body(path: Path, body: Mapping[str, Any]) -> None:
    """Write the body of a request or an answer in one line: indented, each number would have its own."""
    path.write_text(f"{json.dumps(body, ensure_ascii=False)}\n", encoding="utf-8")


def example(request: Mapping[str, Any], needs: Sequence[str]) -> str:
    """Return a Python program that sends a request through the model."""
    row = request.get("instances", [{}])[0]
    of_files = any(isinstance(value, dict) for value in row.values())
    standard = ["import base64"] * of_files + ["import json", "from pathlib import Path", ""]
    operations = [f"import {module}  # noqa: F401 - adds operations to TensorFlow" for module in needs]
    return _EXAMPLE.format(
        request=REQUEST,
        model=SAVED_MODEL,
        package=" and the package ".join(["tensorflow", *(module.replace("_", "-") for module in needs)]),
        imports="\n".join([*standard, "import tensorflow as tf", *operations]),
        inputs=(_FILES if of_files else _ROWS) if row else _COLUMNS,
    )


def answer_sample(bundle: Path, signatures: Any) -> Outputs:
    """Return the answer of a model's signatures to the sample request of a bundle."""
    import tensorflow as tf

    request = read_document(bundle / REQUEST)
    if "inputs" in request:
        values = request["inputs"]
    else:  # an object for each row
        rows = request["instances"]
        values = {name: [row[name] for row in rows] for name in rows[0]}
    return _call(
        signatures[request["signature_name"]], values, lambda value, dtype: tf.constant(from_json(value), dtype)
    )


def replay(bundle: Path, model: Any) -> dict[str, Outputs]:
    """Return a loaded SavedModel's answers to the sample request, to each warm-up request, and in the example."""
    import tensorflow as tf

    signatures = model.signatures
    answers = {REQUEST: answer_sample(bundle, signatures)}
    for name, tensors in warmup.read(bundle / SAVED_MODEL):
        answers[f"the warm-up request for {name}"] = _call(signatures[name], tensors, tf.io.parse_tensor)
    answers[EXAMPLE] = _without_bytes(runpy.run_path(str(bundle / EXAMPLE))["answer"](model))
    return answers


def check(
    answers: Mapping[str, Outputs],
    sample: Sample,
    tolerance: float,
    decide: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None = None,
) -> float:
    """Return the largest difference between answers and scored predictions; with `decide`, compare labels too.

    Raises:
        ParityError: an answer is not what was scored.
    """
    largest = 0.0
    for part, outputs in answers.items():
        values = outputs.get("probabilities", next(iter(outputs.values())))
        if sample.scored.dtype == object:
            differs = not all(text.startswith(expected) for expected, text in zip(values, sample.scored, strict=True))
            fault = f"another text than was scored: {values[0][:80]!r}"
        else:
            predicted = np.array(values, np.float64)
            same_shape = predicted.shape == sample.scored.shape
            difference = float(np.abs(predicted - sample.scored).max()) if same_shape else float("inf")
            differs = not difference <= tolerance
            fault = f"other predictions than were scored (by {format_number(difference)})"
            largest = max(largest, difference)
            if decide and not differs:
                labels = [names[at] for names, at in zip(outputs["classes"], decide(predicted), strict=True)]
                differs, fault = outputs["label"] != labels, "other labels than the probabilities decide"
        if differs:
            raise ParityError(
                f"the bundle's {part} gives {fault}. Nothing was exported; run again with --refresh evaluate."
            )
    return largest


def pick_rows(inputs: Array) -> npt.NDArray[np.int64]:
    """Return the positions of the first rows without an empty number, at most three and 64 KiB, but at least one."""
    empty = np.zeros(len(inputs), bool)
    for values in split_arrays(inputs).values():
        if values.dtype.kind == "f":
            empty |= np.isnan(values).any(axis=tuple(range(1, values.ndim)))
    rows = np.argsort(empty, kind="stable")[:_MAX_ROWS]
    rows = rows[: max(1, int((~empty[rows]).sum()))]
    while len(rows) > 1 and count_bytes(inputs[rows]) > _MAX_BYTES:
        rows = rows[:-1]
    return rows


def as_json(value: Any) -> Any:
    """Return nested lists as JSON values: floats with the digits of a float32, bytes as base64."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return float(str(np.float32(value))) if isinstance(value, float) else value


def from_json(value: Any) -> Any:
    """Return nested lists with bytes in place of base64."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _call(signature: Any, values: Mapping[str, Any], convert: Callable[[Any, Any], Any]) -> Outputs:
    """Return the outputs of a signature for values that `convert` makes tensors of a given type."""
    specs = signature.structured_input_signature[1]
    outputs = signature(**{name: convert(value, specs[name].dtype) for name, value in values.items()})
    return {name: _without_bytes(output.numpy().tolist()) for name, output in outputs.items()}


def _without_bytes(value: Any) -> Any:
    """Return nested values with strings in place of bytes."""
    if isinstance(value, dict):
        return {name: _without_bytes(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_bytes(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value
