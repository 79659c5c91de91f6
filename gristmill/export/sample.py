"""Sample request and answer of a bundle: real test rows in the JSON of TensorFlow Serving's REST API.

    {"signature_name": "serving_default", "instances": [{"history": [[58.0], [62.6]]}]}
    {"predictions": [[[60.1]]]}

    {"signature_name": "serving_default", "inputs": {"prompt": ["O Romeo"], "length": 20}}
    {"outputs": ["O Romeo, Romeo"]}

`instances` has an object for each row, with the inputs of the signature by name. Inputs that do not belong to a row,
such as a length, are sent as `inputs`. A signature with one output answers with its values, otherwise with objects by
name. Bytes are base64 in an object `b64`. See https://www.tensorflow.org/tfx/serving/api_rest.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.training.named_arrays import count_bytes, split_arrays

Array = npt.NDArray[Any]

_MAX_ROWS, _MAX_BYTES = 3, 1 << 16


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
