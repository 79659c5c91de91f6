"""The columns that a pipeline's model reads, and an example of a request, for its description."""

from dataclasses import dataclass
from typing import Any

from gristmill.export.kit import REQUEST
from gristmill.model_server.answers import text_column
from gristmill.model_server.champions import ServedModel
from gristmill.util.table_io import read_document

_MAX_NAMES_LISTED = 8
_TYPES = {"numbers": "number", "categories": "string", "dates": "string", "texts": "string"}
_DATE, _TEXT, _PROMPT = "2026-01-31", "A text to classify.", "The beginning of a text"


@dataclass(frozen=True)
class Column:
    """Column of a row to predict."""

    name: str
    type: str  # of JSON Schema
    about: str
    example: Any


def columns_of(model: ServedModel) -> list[Column]:
    """Return the columns of a row; none if a request is not made of rows."""
    signature = model.bundle.signature
    match model.domain:
        case "tabular":
            return [*_identifier(model), *_of_table(signature, _sample(model))]
        case "timeseries":
            return _of_series(model, signature)
        case "text":
            return [*_identifier(model), Column(str(text_column(model)), "string", "the text to classify", _TEXT)]
    return []


def example_of(model: ServedModel) -> dict[str, Any] | None:
    """Return the body of an example request as JSON; None if the example has none, or a photo."""
    if model.domain == "generation":
        return {"prompt": _PROMPT, "length": 200}
    if model.domain in ("timeseries", "vision"):
        return None
    return {"rows": [{column.name: column.example for column in columns_of(model)}]}


def _sample(model: ServedModel) -> dict[str, Any]:
    """Return the inputs of a test row by name, from the sample request of the bundle; empty if it has none."""
    path = model.bundle.path / REQUEST
    rows = read_document(path).get("instances", []) if path.exists() else []
    return rows[0] if rows and isinstance(rows[0], dict) else {}


def _of_table(signature: dict[str, Any], sample: dict[str, Any]) -> list[Column]:
    known, found = signature.get("names", {}), []
    for role, taken in signature["inputs"].items():
        for at, name in enumerate(taken["columns"]):
            names = known.get(name, [])
            listed = ", ".join(map(repr, names[:_MAX_NAMES_LISTED])) + ", …" * (len(names) > _MAX_NAMES_LISTED)
            about = {
                "numbers": "number; null if missing",
                "categories": f"category: {listed}",
                "dates": "ISO date, with a time or without",
                "texts": "text",
            }[role]
            example = {"numbers": 1.0, "categories": names[0] if names else "", "dates": _DATE, "texts": _TEXT}[role]
            if role in sample:
                example = sample[role][at]
            found.append(Column(name, _TYPES[role], about, example))
    return found


def _of_series(model: ServedModel, signature: dict[str, Any]) -> list[Column]:
    ingest, steps = model.predictor.ingest, signature["history"]
    series = [Column(name, "string", "identifies the series", "a") for name in ingest.series or []]
    values = [Column(name, "number", "observed value", 1.0) for name in [*signature["targets"], *signature["inputs"]]]
    known = [Column(name, "number", "known in advance", 1.0) for name in ingest.known]
    about = f"time; at least {steps} rows of each series"
    times = [Column(name, "string", about, _DATE) for name in ingest.time]
    return [*series, *times, *values, *known]


def _identifier(model: ServedModel) -> list[Column]:
    name = model.predictor.id_column
    return [Column(name, "string", "identifies the row, for its truth", "1")] if name else []
