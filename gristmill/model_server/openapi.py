"""Description of a server: as an OpenAPI document for clients, and as a page for people."""

import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from shlex import quote
from typing import Any

from gristmill.domains.common.requests import Column
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
        paths[f"/v1/models/{model.pipeline}"] = {"get": _get(f"State of {model.pipeline}")}
        if "saved_model" in model.bundle.signature["formats"]:
            paths[f"/v1/models/{model.pipeline}:predict"] = {"post": _call(model)}
            paths[f"/v1/models/{model.pipeline}/metadata"] = {"get": _get(f"Signatures of {model.pipeline}")}
    for path, about in _OPERATIONS.items():
        paths[path] = {"get": _get(about)}
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
    """Return a command line that asks a model."""
    url = f"{address}/predict/{model.pipeline}"
    if not model.domain.requests.load().takes_json:
        return f"curl -T photo.jpg {url}/"
    example = example_of(model)
    return (
        f"curl -X POST {url}" if example is None else f"curl {url} -d {quote(json.dumps(example, ensure_ascii=False))}"
    )


def _predict(model: ServedModel) -> dict[str, Any]:
    requests = model.domain.requests.load()
    content: dict[str, Any] = {
        kind: {"schema": {"type": "string", "format": "binary"}} for kind in requests.content_types
    }
    if requests.takes_json:
        content = {"application/json": {"schema": _body(model), "example": example_of(model) or {}}} | content
    rows = {"type": "array", "items": {"type": "object"}, "description": f"as `gristmill predict {model.pipeline}`"}
    answer = {"text": {"type": "string"}} if model.domain.generate else {"predictions": rows}
    return _post(
        f"Predict with {model.pipeline} {model.name}",
        {"content": content, "required": requests.needs_body},
        _ORIGIN | answer | {"warnings": {"type": "array", "items": {"type": "string"}}},
        [
            {"name": name, "in": "query", "schema": {"type": _TYPES[kind]}}
            for name, kind in options_of(model.domain).items()
        ],
    )


def _call(model: ServedModel) -> dict[str, Any]:
    body = {
        "type": "object",
        "properties": {"signature_name": {"type": "string"}, "instances": {"type": "array"}, "inputs": {}},
    }
    content = {"application/json": {"schema": body}}
    answer = {"predictions": {"type": "array"}, "outputs": {}}
    about = f"Call the SavedModel of {model.pipeline} as TensorFlow Serving does"
    return _post(about, {"content": content, "required": True}, _ORIGIN | answer)


def _body(model: ServedModel) -> dict[str, Any]:
    options = {name: {"type": _TYPES[kind]} for name, kind in options_of(model.domain).items()}
    columns = columns_of(model)
    if not columns:
        return {"type": "object", "properties": options}
    cells = {column.name: {"type": [column.type, "null"], "description": column.about} for column in columns}
    row = {"type": "object", "properties": cells, "required": list(cells)}
    return {"type": "object", "properties": {"rows": {"type": "array", "items": row}} | options}


def _post(
    about: str, body: dict[str, Any], answer: dict[str, Any], parameters: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    found = {"application/json": {"schema": {"type": "object", "properties": answer}}}
    wrong = {"description": "Error", "content": {"application/json": {"schema": _ERROR}}}
    responses = {"200": {"description": "Answer", "content": found}, "4XX": wrong, "5XX": wrong}
    return {
        "summary": about,
        "operationId": _identifier(about),
        "parameters": list(parameters),
        "requestBody": body,
        "responses": responses,
    }


def _get(about: str) -> dict[str, Any]:
    return {"summary": about, "operationId": _identifier(about), "responses": {"200": {"description": "Answer"}}}


def _identifier(about: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in about.lower())
