"""Bodies of TensorFlow Serving's REST API: from JSON to the tensors of a signature, and back.

Rows are a list of `instances`, columns are `inputs`; with a single input, its name may be left out. Bytes are written
as `{"b64": "…"}`. In an input of floats, null stands for a missing value.
Source: the page "RESTful API" of TensorFlow Serving's documentation.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np

from gristmill.errors import RequestError, short_repr
from gristmill.settings.messages import did_you_mean
from gristmill.training.named_arrays import Array

_FORMS = ("instances", "inputs")
_MAX_NAMES_LISTED = 20
_DT_NAMES = {"float32": "FLOAT", "float64": "DOUBLE"}
# Types of JSON values, and their name in messages, by kind of a NumPy type.
_ALLOWED_TYPES: dict[str, tuple[set[type], str]] = {
    "f": ({int, float, NoneType}, "numbers"),
    "i": ({int}, "integers"),
    "u": ({int}, "integers"),
    "b": ({bool}, "true or false"),
}


@dataclass(frozen=True)
class Tensor:
    """Input of a signature: a NumPy type, which is object for texts and bytes, and a shape with None for free sizes."""

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


Specs = Mapping[str, Tensor]


def specs_of(signature: Any) -> Specs:
    """Return the inputs of a signature of a loaded SavedModel."""
    _, inputs = signature.structured_input_signature
    specs = {}
    for name, spec in sorted(inputs.items()):
        dtype = np.dtype(object) if spec.dtype.name == "string" else np.dtype(spec.dtype.as_numpy_dtype)
        specs[name] = Tensor(dtype, tuple(spec.shape.as_list()))
    return specs


def parse_json(body: bytes) -> Any:
    """Return the content of a body.

    Raises:
        RequestError: it is not JSON, or has a text that is no Unicode.
    """
    try:
        content = json.loads(body)
        if b"\\u" in body:
            json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RequestError(
            "the body has a surrogate without its pair, such as \\ud800, which is no character."
        ) from None
    except (ValueError, RecursionError) as error:  # a number of many digits is a ValueError, too
        raise RequestError(f"the body is not JSON: {error}.") from None
    return content


def read_body(body: bytes, signatures: Mapping[str, Any]) -> tuple[str, dict[str, Array], str]:
    """Return the name of the signature, its tensors by name, and whether they were "instances" or "inputs".

    Raises:
        RequestError: the body is not one of these forms, or a value does not fit its input; the message names it.
    """
    # Check the fields of the body.
    content = parse_json(body)
    if not isinstance(content, dict):
        raise RequestError(f"the body: expected an object with 'instances' or 'inputs'. Received: {_kind(content)}.")
    if unknown := sorted(content.keys() - {*_FORMS, "signature_name"}):
        known = (*_FORMS, "signature_name")
        raise RequestError(f"unknown field {short_repr(unknown[0])}.{did_you_mean(unknown[0], known)}")
    name = content.get("signature_name") or "serving_default"
    if not isinstance(name, str) or name not in signatures:
        listed = ", ".join(sorted(map(str, signatures)))
        raise RequestError(f"signature_name: the model has no signature {short_repr(name)}. Known: {listed}.")
    forms = [form for form in _FORMS if form in content]
    if len(forms) != 1:
        raise RequestError(
            f"the body: expected either 'instances' or 'inputs'. Received: {' and '.join(forms) or 'neither'}."
        )
    (form,) = forms

    # Read the tensors.
    read = _from_instances if form == "instances" else _from_inputs
    try:
        return name, read(content[form], specs_of(signatures[name])), form
    except RecursionError:
        raise RequestError(f"{form}: lists in too many lists.") from None


def write_body(outputs: Mapping[str, Array], form: str) -> dict[str, Any]:
    """Return the answer: `predictions`, row by row, or `outputs`, by name; a single output without its name."""
    # Write bytes as text, and numbers that are not finite as null.
    values: dict[str, list[Any]] = {}
    for name, array in outputs.items():
        flat = array.ravel()
        if array.dtype == object:
            items = [item.decode(errors="replace") if isinstance(item, bytes) else item for item in flat]
        elif array.dtype.kind == "f":  # with the digits of a float32, as in the sample answer of a bundle
            items = [float(str(value)) if math.isfinite(value) else None for value in flat]
        else:
            items = flat.tolist()
        values[name] = np.array(items, object).reshape(array.shape).tolist()
    # Arrange them as the request did.
    single = next(iter(values.values())) if len(values) == 1 else None
    if form == "inputs":
        return {"outputs": values if single is None else single}
    if single is not None:
        return {"predictions": single}
    return {"predictions": [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]}


def metadata(signatures: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs and outputs of all signatures of a loaded SavedModel."""

    def described(tensors: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: {
                "dtype": f"DT_{_DT_NAMES.get(spec.dtype.name, spec.dtype.name.upper())}",
                "tensor_shape": {"dim": [{"size": str(-1 if size is None else size)} for size in spec.shape.as_list()]},
                "name": spec.name,
            }
            for name, spec in tensors.items()
        }

    return {
        name: {
            "inputs": described(signature.structured_input_signature[1]),
            "outputs": described(signature.structured_outputs),
            "method_name": "tensorflow/serving/predict",
        }
        for name, signature in signatures.items()
    }


def _from_inputs(inputs: Any, specs: Specs) -> dict[str, Array]:
    inputs = _add_name(inputs, specs)
    _check_names(inputs, specs, "inputs")
    tensors = {name: _tensor(inputs[name], spec, f"inputs.{name}") for name, spec in specs.items()}
    sizes = {name: len(tensors[name]) for name, spec in specs.items() if spec.shape[:1] == (None,)}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise RequestError(f"inputs: expected the same number of rows in each. Received: {listed}.")
    return tensors


def _from_instances(instances: Any, specs: Specs) -> dict[str, Array]:
    if not isinstance(instances, list) or not instances:
        raise RequestError(f"instances: expected a list of examples. Received: {_kind(instances)}.")
    if any(spec.shape[:1] != (None,) for spec in specs.values()):
        raise RequestError("instances: this signature takes inputs that are not rows. Use 'inputs'.")
    instances = [_add_name(instance, specs) for instance in instances]
    for at, instance in enumerate(instances):
        _check_names(instance, specs, f"instances[{at}]")
    return {name: _column([instance[name] for instance in instances], name, spec) for name, spec in specs.items()}


def _add_name(value: Any, specs: Specs) -> Any:
    """Return values by the name of their input, which may be left out if there is a single one."""
    is_named = isinstance(value, dict) and value.keys() == specs.keys()
    return value if is_named or len(specs) > 1 else {next(iter(specs)): value}


def _column(values: list[Any], name: str, spec: Tensor) -> Array:
    """Return the tensor of an input of all instances; an error names the first instance that does not fit."""
    try:
        return _tensor(values, spec, name)
    except RequestError:
        spec_of_row = Tensor(spec.dtype, spec.shape[1:])
        shapes = [_tensor(value, spec_of_row, f"instances[{at}].{name}").shape for at, value in enumerate(values)]
        odd = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), 0)
        raise RequestError(
            f"instances[{odd}].{name}: expected the shape of the first instance, {list(shapes[0])}. "
            f"Received: {list(shapes[odd])}."
        ) from None


def _check_names(values: Any, specs: Specs, where: str) -> None:
    if isinstance(values, dict) and values.keys() == specs.keys():
        return
    names = ", ".join(map(repr, list(specs)[:_MAX_NAMES_LISTED])) + ", …" * (len(specs) > _MAX_NAMES_LISTED)
    if not isinstance(values, dict):
        raise RequestError(f"{where}: expected an object with {names}. Received: {_kind(values)}.")
    if missing := [name for name in specs if name not in values]:
        raise RequestError(f"{where}.{missing[0]} is missing. Expected: {names}.")
    unknown = min(values.keys() - specs.keys())
    raise RequestError(f"{where}: unknown input {short_repr(unknown)}. Expected: {names}.")


def _tensor(value: Any, spec: Tensor, where: str) -> Array:
    """Return a value of JSON as a tensor of a type and shape."""
    if spec.dtype == object:
        array = np.array(_decode(value, where), object)
        for item in array.ravel():
            if not isinstance(item, str | bytes):
                raise RequestError(f'{where}: expected texts, or bytes as {{"b64": …}}. Received: {_kind(item)}.')
    else:
        array = _numbers(value, spec.dtype, where)
    sizes = zip(spec.shape, array.shape, strict=False)
    if len(spec.shape) != array.ndim or any(expected not in (None, size) for expected, size in sizes):
        listed = ", ".join("any" if size is None else str(size) for size in spec.shape)
        raise RequestError(f"{where}: expected the shape [{listed}]. Received: {list(array.shape)}.")
    return array


def _decode(value: Any, where: str) -> Any:
    """Return a value with the bytes of each object `b64`."""
    if isinstance(value, list):
        return [_decode(item, where) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() != {"b64"} or not isinstance(value["b64"], str):
        raise RequestError(f'{where}: expected a text, or bytes as {{"b64": …}}. Received: an object.')
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(f"{where}.b64: expected base64.") from None


def _numbers(value: Any, dtype: "np.dtype[Any]", where: str) -> Array:
    try:
        array = np.array(value, object)  # any other type would first copy texts, each as wide as the longest one
    except ValueError:
        raise RequestError(f"{where}: expected lists of equal lengths.") from None
    allowed, expected = _ALLOWED_TYPES.get(dtype.kind, ({int}, str(dtype)))
    odd = [item for item in array.ravel() if type(item) not in allowed]
    if any(isinstance(item, list) for item in odd):
        raise RequestError(f"{where}: expected lists of equal lengths.")
    if odd:
        raise RequestError(f"{where}: expected {expected}. Received: {_kind(odd[0])}.")
    if dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise RequestError(f"{where}: expected integers from {limits.min} to {limits.max}.")
    try:
        with np.errstate(over="ignore"):  # None becomes NaN
            return array.astype(np.float64).astype(dtype) if dtype.kind == "f" else array.astype(dtype)
    except OverflowError:
        raise RequestError(f"{where}: a number is too large.") from None


def _kind(value: Any) -> str:
    """Return what a value of JSON is, for messages."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else short_repr(value)
