"""Description of a server: as an OpenAPI document for clients, and as a page for people."""

import json
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from shlex import quote
from typing import Any

from gristmill.domains.common.prediction import Column
from gristmill.model_server.answers import options_of
from gristmill.model_server.champions import ServedModel
from gristmill.reports.page import render_template

_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_ORIGIN = {
    "pipeline": {"type": "string"},
    "version": {"type": ["integer", "null"], "description": "null for a model that was not promoted"},
    "run": {"type": "string", "description": "the run that made the model"},
}
_TENSOR_FIELDS = {"signature_name": {"type": "string"}, "instances": {"type": "array"}, "inputs": {}}
_TENSORS = {
    "content": {"application/json": {"schema": {"type": "object", "properties": _TENSOR_FIELDS}}},
    "required": True,
}
_OUTPUTS = {"predictions": {"type": "array"}, "outputs": {}}

_OPERATIONS = {
    "/health/live": "Whether the process answers",
    "/health/ready": "Whether all models are loaded",
    "/metrics": "Metrics in the text format of Prometheus",
}


def document(models: Sequence[ServedModel]) -> dict[str, Any]:
    """Return the OpenAPI document of the server.

    Source: the OpenAPI specification, version 3.1.
    """
    paths: dict[str, Any] = {}
    for model in models:
        paths[f"/predict/{model.pipeline}"] = {"post": _predict(model)}
        paths[f"/v1/models/{model.pipeline}"] = {"get": _operation(f"State of {model.pipeline}")}
        if "saved_model" in model.bundle.signature["formats"]:
            about = f"Call the SavedModel of {model.pipeline} as TensorFlow Serving does"
            paths[f"/v1/models/{model.pipeline}:predict"] = {"post": _operation(about, [], _TENSORS, _OUTPUTS)}
            paths[f"/v1/models/{model.pipeline}/metadata"] = {"get": _operation(f"Signatures of {model.pipeline}")}
    paths |= {path: {"get": _operation(about)} for path, about in _OPERATIONS.items()}
    info = {"title": "gristmill", "version": metadata.version("gristmill"), "description": "Predictions of champions."}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def page(models: Sequence[ServedModel], address: str) -> str:
    """Return the page that shows the columns of each pipeline and sends requests."""
    entries = [
        {
            "model": model,
            "columns": columns_of(model),
            "options": {name: _TYPES[kind] for name, kind in options_of(model.domain).items()},
            "example": json.dumps(example, indent=2, ensure_ascii=False) if (example := example_of(model)) else "",
            "command": command(model, address),
        }
        for model in models
    ]
    return render_template("serve.html", entries=entries, title="gristmill serve")


def columns_of(model: ServedModel) -> Sequence[Column]:
    """Return the columns of a row; none if a request is not made of rows."""
    predictor = model.predictor
    return model.domain.requests.load().columns(model.bundle, predictor.ingest, predictor.id_column)


def example_of(model: ServedModel) -> Mapping[str, Any] | None:
    """Return the body of an example request as JSON; None if the example has none, or a photo."""
    return model.domain.requests.load().example(columns_of(model))


def command(model: ServedModel, address: str) -> str:
    """Return a command line that sends an example request to a model."""
    url = f"{address}/predict/{model.pipeline}"
    if not model.domain.requests.load().takes_json:
        return f"curl -T photo.jpg {url}/"
    example = example_of(model)
    if example is None:
        return f"curl -X POST {url}"
    return f"curl {url} -d {quote(json.dumps(example, ensure_ascii=False))}"


def _predict(model: ServedModel) -> dict[str, Any]:
    requests = model.domain.requests.load()
    options = {name: {"type": _TYPES[kind]} for name, kind in options_of(model.domain).items()}

    # Describe the body: rows of the columns, with options, or a file.
    content: dict[str, Any] = {
        kind: {"schema": {"type": "string", "format": "binary"}} for kind in requests.content_types
    }
    if requests.takes_json:
        properties: dict[str, Any] = options
        if columns := columns_of(model):
            cells = {column.name: {"type": [column.type, "null"], "description": column.about} for column in columns}
            row = {"type": "object", "properties": cells, "required": list(cells)}
            properties = {"rows": {"type": "array", "items": row}} | options
        schema = {"type": "object", "properties": properties}
        content = {"application/json": {"schema": schema, "example": example_of(model) or {}}} | content

    # Describe the answer.
    rows = {"type": "array", "items": {"type": "object"}, "description": f"as `gristmill predict {model.pipeline}`"}
    answer: dict[str, Any] = {"text": {"type": "string"}} if model.domain.generate else {"predictions": rows}
    answer |= {"warnings": {"type": "array", "items": {"type": "string"}}}
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in options.items()]
    body = {"content": content, "required": requests.needs_body}
    return _operation(f"Predict with {model.pipeline} {model.name}", parameters, body, answer)


def _operation(
    about: str,
    parameters: Sequence[dict[str, Any]] = (),
    body: dict[str, Any] | None = None,
    answer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an operation; one with a body is answered by a model, and can fail."""
    identifier = re.sub(r"\W", "_", about.lower())
    operation: dict[str, Any] = {"summary": about, "operationId": identifier}
    if answer is None:
        return operation | {"responses": {"200": {"description": "Answer"}}}
    schema = {"type": "object", "properties": _ORIGIN | dict(answer)}
    success = {"description": "Answer", "content": {"application/json": {"schema": schema}}}
    failure = {"description": "Error", "content": {"application/json": {"schema": _ERROR}}}
    responses = {"200": success, "4XX": failure, "5XX": failure}
    return operation | {"parameters": list(parameters), "requestBody": body, "responses": responses}
