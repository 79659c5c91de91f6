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


@dataclass(frozen=True)
class Tensor:
    """Input of a signature: a NumPy type, which is object for texts and bytes, and a shape with None for free sizes."""

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


Specs = Mapping[str, Tensor]


def specs_of(signature: Any) -> Specs:
    """Return the inputs of a signature of a loaded SavedModel."""
    _, taken = signature.structured_input_signature
    found = {}
    for name, spec in sorted(taken.items()):
        dtype = np.dtype(object) if spec.dtype.name == "string" else np.dtype(spec.dtype.as_numpy_dtype)
        found[name] = Tensor(dtype, tuple(spec.shape.as_list()))
    return found


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
    given = [form for form in _FORMS if form in content]
    if len(given) != 1:
        raise RequestError(
            f"the body: expected either 'instances' or 'inputs'. Received: {' and '.join(given) or 'neither'}."
        )
    specs = specs_of(signatures[name])
    read = _from_instances if given[0] == "instances" else _from_inputs
    try:
        return name, read(content[given[0]], specs), given[0]
    except RecursionError:
        raise RequestError(f"{given[0]}: lists in too many lists.") from None


def write_body(outputs: Mapping[str, Array], form: str) -> dict[str, Any]:
    """Return the answer: `predictions`, row by row, or `outputs`, by name; a single output without its name."""
    values = {name: _as_json(array) for name, array in outputs.items()}
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
                "dtype": f"DT_{_DT_NAMES.get(one.dtype.name, one.dtype.name.upper())}",
                "tensor_shape": {"dim": [{"size": str(-1 if size is None else size)} for size in one.shape.as_list()]},
                "name": one.name,
            }
            for name, one in tensors.items()
        }

    return {
        name: {
            "inputs": described(signature.structured_input_signature[1]),
            "outputs": described(signature.structured_outputs),
            "method_name": "tensorflow/serving/predict",
        }
        for name, signature in signatures.items()
    }


def _from_inputs(given: Any, specs: Specs) -> dict[str, Array]:
    if len(specs) == 1 and not (isinstance(given, dict) and given.keys() == specs.keys()):
        given = {next(iter(specs)): given}
    _check_names(given, specs, "inputs")
    found = {name: _tensor(given[name], spec, f"inputs.{name}") for name, spec in specs.items()}
    sizes = {name: len(found[name]) for name, spec in specs.items() if spec.shape[:1] == (None,)}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise RequestError(f"inputs: expected the same number of rows in each. Received: {listed}.")
    return found


def _from_instances(given: Any, specs: Specs) -> dict[str, Array]:
    if not isinstance(given, list) or not given:
        raise RequestError(f"instances: expected a list of examples. Received: {_kind(given)}.")
    if any(spec.shape[:1] != (None,) for spec in specs.values()):
        raise RequestError("instances: this signature takes inputs that are not rows. Use 'inputs'.")
    if len(specs) == 1:
        name = next(iter(specs))
        given = [one if isinstance(one, dict) and one.keys() == specs.keys() else {name: one} for one in given]
    for at, one in enumerate(given):
        _check_names(one, specs, f"instances[{at}]")
    return {name: _column([one[name] for one in given], name, spec) for name, spec in specs.items()}


def _column(values: list[Any], name: str, spec: Tensor) -> Array:
    """Return the tensor of an input of all instances; an error names the first instance that does not fit."""
    try:
        return _tensor(values, spec, name)
    except RequestError:
        one = Tensor(spec.dtype, spec.shape[1:])
        shapes = [_tensor(value, one, f"instances[{at}].{name}").shape for at, value in enumerate(values)]
        odd = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), 0)
        raise RequestError(
            f"instances[{odd}].{name}: expected the shape of the first instance, {list(shapes[0])}. "
            f"Received: {list(shapes[odd])}."
        ) from None


def _check_names(given: Any, specs: Specs, where: str) -> None:
    if not isinstance(given, dict):
        raise RequestError(f"{where}: expected an object with {_listed(specs)}. Received: {_kind(given)}.")
    if missing := [name for name in specs if name not in given]:
        raise RequestError(f"{where}.{missing[0]} is missing. Expected: {_listed(specs)}.")
    if unknown := sorted(given.keys() - specs.keys()):
        raise RequestError(f"{where}: unknown input {short_repr(unknown[0])}. Expected: {_listed(specs)}.")


def _listed(names: Mapping[str, Any]) -> str:
    more = ", …" * (len(names) > _MAX_NAMES_LISTED)
    return ", ".join(map(repr, list(names)[:_MAX_NAMES_LISTED])) + more


def _tensor(value: Any, spec: Tensor, where: str) -> Array:
    """Return a value of JSON as a tensor of a type and shape."""
    array = _texts(value, where) if spec.dtype == object else _numbers(value, spec.dtype, where)
    fits = len(array.shape) == len(spec.shape) and all(
        size in (None, found) for size, found in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        shape = [size if size is not None else "any" for size in spec.shape]
        raise RequestError(
            f"{where}: expected the shape [{', '.join(map(str, shape))}]. Received: {list(array.shape)}."
        )
    return array


def _texts(value: Any, where: str) -> Array:
    decoded = _decoded(value, where)
    array = np.array(decoded, object) if isinstance(decoded, list) else np.array(decoded, object).reshape(())
    for item in array.ravel():
        if not isinstance(item, str | bytes):
            raise RequestError(f'{where}: expected texts, or bytes as {{"b64": …}}. Received: {_kind(item)}.')
    return array


def _decoded(value: Any, where: str) -> Any:
    """Return a value with the bytes of each object `b64`."""
    if isinstance(value, list):
        return [_decoded(one, where) for one in value]
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
    kinds = {type(item) for item in array.ravel()}
    allowed: set[type] = {int}
    if dtype.kind in "fb":
        allowed = {int, float, NoneType} if dtype.kind == "f" else {bool}
    if odd := kinds - allowed:
        if list in odd:
            raise RequestError(f"{where}: expected lists of equal lengths.")
        raise RequestError(f"{where}: expected {_name_of(dtype)}. Received: {_first_odd(value, allowed)}.")
    if NoneType in kinds:
        present = [math.nan if item is None else item for item in array.ravel()]
        array = np.array(present, object).reshape(array.shape)
    if dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise RequestError(f"{where}: expected integers from {limits.min} to {limits.max}.")
    try:
        with np.errstate(over="ignore"):
            return array.astype(np.float64).astype(dtype) if dtype.kind == "f" else array.astype(dtype)
    except OverflowError:
        raise RequestError(f"{where}: a number is too large.") from None


def _first_odd(value: Any, allowed: set[type]) -> str:
    """Return the first value in nested lists that has none of the allowed types."""
    if isinstance(value, list):
        return next((odd for one in value if (odd := _first_odd(one, allowed))), "")
    return "" if type(value) in allowed else _kind(value)


def _name_of(dtype: "np.dtype[Any]") -> str:
    return {"f": "numbers", "i": "integers", "u": "integers", "b": "true or false"}.get(dtype.kind, str(dtype))


def _kind(value: Any) -> str:
    """Return what a value of JSON is, for messages."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else short_repr(value)


def _as_json(array: Array) -> list[Any]:
    """Return an output as lists: bytes as text, numbers that are not finite as null."""
    if array.dtype == object:
        flat = [item.decode(errors="replace") if isinstance(item, bytes) else item for item in array.ravel()]
        array = np.array(flat, object).reshape(array.shape)
    elif array.dtype.kind == "f":  # with the digits of a float32, as in the sample answer of a bundle
        flat = [float(str(value)) if math.isfinite(value) else None for value in array.ravel()]
        array = np.array(flat, object).reshape(array.shape)
    found: list[Any] = array.tolist()
    return found
