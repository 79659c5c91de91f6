"""Answers of a model to the bodies of requests. These functions block, so a server calls them in threads."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

from gristmill.errors import RequestError, short_repr
from gristmill.model_server import tensorflow_serving
from gristmill.model_server.champions import ServedModel
from gristmill.model_server.request_body import MAX_ROWS, read_content
from gristmill.project.predictor import read_options
from gristmill.settings.domain import Domain, Generate
from gristmill.settings.messages import did_you_mean
from gristmill.training.named_arrays import Array, join_arrays

if TYPE_CHECKING:
    import pandas as pd

FOLDER_PREFIX = "gristmill-request-"  # of the temporary folder with the file of a request
MAX_TOKENS = 10_000  # that one call of a SavedModel generates

_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}  # of options, in words

Check = Callable[[], None]  # raises TimeoutError if nobody waits for the answer any more


@dataclass(frozen=True)
class Asked:
    """A request to `/predict`."""

    body: bytes
    file: str  # name in the address, if there is one
    content_type: str
    query: Mapping[str, str]


def predict(model: ServedModel, asked: Asked, check: Check) -> "pd.DataFrame | str":
    """Answer a request to `/predict`: with a table or, of a model that generates text, with a text.

    Without a body, a forecast continues the pipeline's own data. `check` is called before the answer is logged.

    Raises:
        RequestError: the request is wrong.
        WorkError: it has unusable data, or its prediction cannot be logged.
    """
    requests = model.domain.requests.load()
    column = requests.text_column(model.predictor.ingest)
    content = read_content(asked.body, asked.file, asked.content_type, column, not requests.takes_json)
    options = _options(model, {**asked.query, **content.options})
    if model.domain.generate:
        return _generated(model, model.domain.generate.load(), content.data, options)
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
    _check_sizes(tensors)
    model.predictor.check_tensors(tensors)
    outputs = _outputs(model, name, tensors, tensorflow_serving.specs_of(signatures[name]))
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


def _check_sizes(tensors: Mapping[str, Array]) -> None:
    for name, tensor in tensors.items():
        if tensor.ndim and len(tensor) > MAX_ROWS:
            raise RequestError(f"{name}: expected at most {MAX_ROWS:,} rows. Received: {len(tensor):,}.")
        if name == "length" and tensor.ndim == 0 and not 1 <= tensor <= MAX_TOKENS:
            raise RequestError(f"length: expected 1 to {MAX_TOKENS:,}. Received: {tensor}.")


def _outputs(
    model: ServedModel, name: str, tensors: dict[str, Array], specs: tensorflow_serving.Specs
) -> Mapping[str, Array]:
    """Call a signature; if all inputs are rows, together with concurrent calls."""
    import tensorflow as tf  # late, so that the server can listen before it is loaded

    try:
        if all(spec.shape[:1] == (None,) for spec in specs.values()):
            return model.bundle.outputs(name)(join_arrays(tensors))
        given = {
            key: tf.constant(value.tolist(), tf.string) if value.dtype == object else tf.constant(value)
            for key, value in tensors.items()
        }
        made = model.bundle.saved_model.signatures[name](**given)
        return {key: value.numpy() for key, value in made.items()}
    except tf.errors.InvalidArgumentError as error:  # such as bytes that are no image
        raise RequestError(f"the model cannot read these inputs: {_first_line(error.message)}") from None


def _first_line(message: str) -> str:
    return re.sub(r"\{\{.*?\}\}|\[\[.*?\]\]", "", message.strip().splitlines()[0]).strip()


def options_of(domain: Domain) -> Mapping[str, type]:
    """Return the options of `/predict` for a domain, by name, with their types."""
    fields = domain.predict_options.model_fields.items()
    return {name: next(kind for kind in _TYPES if kind in _types(field.annotation)) for name, field in fields}


def _types(annotation: Any) -> tuple[Any, ...]:
    """Return a type, or the types of a union."""
    return get_args(annotation) or (annotation,)


def _options(model: ServedModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a request in their types."""
    known, found = options_of(model.domain), {}
    for name, value in given.items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise RequestError(f"unknown option {short_repr(name)}.{did_you_mean(name, known)} Known: {listed}.")
        found[name] = _typed(name, value, known[name])
    for name, most in model.domain.predict_options.max_served.items():
        if name in found and not 1 <= found[name] <= most:
            raise RequestError(f"{name}: expected 1 to {most:,}. Received: {found[name]}.")
    return found


def _typed(name: str, value: Any, kind: type) -> Any:
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


def _generated(model: ServedModel, generate: Generate, data: bytes, options: Mapping[str, Any]) -> str:
    if data and "prompt" in options:
        raise RequestError("prompt: cannot be combined with a text as the body. Use one of them.")
    prompt = options.get("prompt", "") or data.decode(errors="replace")
    return "".join(generate(model.bundle, read_options(model.domain, {**options, "prompt": prompt})))
