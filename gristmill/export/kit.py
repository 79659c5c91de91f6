"""The export kit: files of a bundle that show how to use its SavedModel.

    sample_request.json      a request to TensorFlow Serving, with rows of the test set
    sample_response.json     its answer
    example.py               the same request in Python, without gristmill
    saved_model/assets.extra/tf_serving_warmup_requests    sent by TensorFlow Serving itself when it loads the model

`replay` uses all of them in the fresh process of the parity proof, and `check` compares the answers with what was
scored.
"""

import json
import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.errors import ParityError
from gristmill.export import warmup
from gristmill.export.sample import Sample, from_json
from gristmill.settings.number_text import format_number
from gristmill.util.table_io import read_document

REQUEST, RESPONSE, EXAMPLE = "sample_request.json", "sample_response.json", "example.py"
SAVED_MODEL = "saved_model"

Outputs = dict[str, Any]  # of a signature by name, as nested lists

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
