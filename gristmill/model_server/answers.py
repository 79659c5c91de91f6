"""Answers of a model to the bodies of requests. These functions block, so a server calls them in threads."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

from gristmill.errors import RequestError, short_repr
from gristmill.model_server import tensorflow_serving
from gristmill.model_server.champions import ServedModel
from gristmill.model_server.request_body import MAX_ROWS, read_content
from gristmill.project.predictor import read_options
from gristmill.settings.domain import Domain
from gristmill.settings.messages import did_you_mean
from gristmill.training.named_arrays import Array, join_arrays

if TYPE_CHECKING:
    import pandas as pd

FOLDER_PREFIX = "gristmill-request-"  # of the temporary folder with the file of a request
MAX_TOKENS = 10_000  # that one call of a SavedModel generates

_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}  # of options, in words

Check = Callable[[], None]  # raises TimeoutError if nobody waits for the answer any more


def predict(
    model: ServedModel, body: bytes, file: str, content_type: str, query: Mapping[str, str], check: Check
) -> "pd.DataFrame | str":
    """Answer a request to `/predict`: with a table or, of a model that generates text, with a text.

    Without a body, a forecast continues the pipeline's own data. `file` is the name in the address, if there is one.
    `check` is called before the answer is logged.

    Raises:
        RequestError: the request is wrong.
        WorkError: it has unusable data, or its prediction cannot be logged.
    """
    requests = model.domain.requests.load()
    column = requests.text_column(model.predictor.ingest)
    content = read_content(body, file, content_type, column, not requests.takes_json)
    options = _read_options(model.domain, {**query, **content.options})

    # Continue a text.
    if model.domain.generate:
        if content.data and "prompt" in options:
            raise RequestError("prompt: cannot be combined with a text as the body. Use one of them.")
        prompt = options.get("prompt", "") or content.data.decode(errors="replace")
        generate_options = read_options(model.domain, {**options, "prompt": prompt})
        return "".join(model.domain.generate.load()(model.bundle, generate_options))

    # Predict, from a file in a temporary folder or from the pipeline's own data.
    if not content.data and requests.needs_body:
        raise RequestError("the body is empty. Expected rows as JSON, or a file.")
    if not content.data:
        return model.predictor.predict(None, options, before_logging=check)
    with TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
        path = Path(folder) / content.name
        path.write_bytes(content.data)
        return model.predictor.predict(str(path), options, below=Path(folder), before_logging=check)


def call(model: ServedModel, body: bytes, check: Check) -> dict[str, Any]:
    """Answer a request as TensorFlow Serving does; `check` is called before the answer is logged.

    Raises:
        RequestError: the body is wrong, or the model has no SavedModel.
        StoreError: the prediction cannot be logged.
    """
    signatures = saved_model_of(model).signatures
    name, tensors, form = tensorflow_serving.read_body(body, signatures)
    for key, tensor in tensors.items():
        if tensor.ndim and len(tensor) > MAX_ROWS:
            raise RequestError(f"{key}: expected at most {MAX_ROWS:,} rows. Received: {len(tensor):,}.")
        if key == "length" and tensor.ndim == 0 and not 1 <= tensor <= MAX_TOKENS:
            raise RequestError(f"length: expected 1 to {MAX_TOKENS:,}. Received: {tensor}.")
    model.predictor.check_tensors(tensors)
    outputs = _call_signature(model, name, tensors, tensorflow_serving.specs_of(signatures[name]))
    check()
    model.predictor.log_tensors(body, tensors, outputs)
    return tensorflow_serving.write_body(outputs, form)


def saved_model_of(model: ServedModel) -> Any:
    """Return the SavedModel of a bundle; raise `RequestError` if it has none."""
    formats = model.bundle.signature["formats"]
    if "saved_model" not in formats:
        raise RequestError(
            f"{model.pipeline} {model.name} has no SavedModel, but {', '.join(formats)}. Use /predict, or add "
            "'saved_model' to export.formats and run the pipeline again."
        )
    return model.bundle.saved_model


def _call_signature(
    model: ServedModel, name: str, tensors: dict[str, Array], specs: tensorflow_serving.Specs
) -> Mapping[str, Array]:
    """Call a signature; if all inputs are rows, together with concurrent calls."""
    import tensorflow as tf  # late, so that the server can listen before it is loaded

    try:
        if all(spec.shape[:1] == (None,) for spec in specs.values()):
            return model.bundle.outputs(name)(join_arrays(tensors))
        inputs = {
            key: tf.constant(value.tolist(), tf.string) if value.dtype == object else tf.constant(value)
            for key, value in tensors.items()
        }
        outputs = model.bundle.saved_model.signatures[name](**inputs)
        return {key: value.numpy() for key, value in outputs.items()}
    except tf.errors.InvalidArgumentError as error:  # such as bytes that are no image
        first_line = error.message.strip().splitlines()[0]
        reason = re.sub(r"\{\{.*?\}\}|\[\[.*?\]\]", "", first_line).strip()  # without names of nodes in the graph
        raise RequestError(f"the model cannot read these inputs: {reason}") from None


def options_of(domain: Domain) -> Mapping[str, type]:
    """Return the options of `/predict` for a domain, by name, with their types."""
    types = {}
    for name, field in domain.predict_options.model_fields.items():
        alternatives = get_args(field.annotation) or (field.annotation,)  # of a union
        types[name] = next(kind for kind in _TYPES if kind in alternatives)
    return types


def _read_options(domain: Domain, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a request in their types."""
    known, options = options_of(domain), {}
    for name, value in values.items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise RequestError(f"unknown option {short_repr(name)}.{did_you_mean(name, known)} Known: {listed}.")
        options[name] = _parse_option(name, value, known[name])
    for name, limit in domain.predict_options.max_served.items():
        if name in options and not 1 <= options[name] <= limit:
            raise RequestError(f"{name}: expected 1 to {limit:,}. Received: {options[name]}.")
    return options


def _parse_option(name: str, value: Any, kind: type) -> Any:
    """Return a value of JSON or of the address in the type of an option."""
    if kind is bool and value in (True, False, "true", "false"):
        return value in (True, "true")
    if kind is str and isinstance(value, str):
        return value
    if kind in (int, float) and isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            if kind is float or not isinstance(value, float) or value.is_integer():
                return kind(value)
    raise RequestError(f"{name}: expected {_TYPES[kind]}. Received: {short_repr(value)}.")
