"""Answers as HTTP responses: JSON with the model that made it, and errors in one line that names the field."""

import json
import logging
import math
import re
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gristmill.errors import CorruptArtifact, DataError, RequestError, StoreError
from gristmill.model_server import answers
from gristmill.model_server.champions import ServedModel
from gristmill.model_server.request_body import ROWS_FILE

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Limits of one request."""

    bytes: int = 32 << 20  # of its body
    seconds: float = 60.0  # until it is answered


class Refused(Exception):
    """A request that is refused with a status of HTTP and one line."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def origin(model: ServedModel) -> dict[str, Any]:
    """Return the fields that name the model of an answer."""
    return {"pipeline": model.pipeline, "version": model.version, "run": model.run}


def headers(model: ServedModel | None) -> dict[str, str]:
    """Return the headers that name the model of an answer."""
    return {"Gristmill-Version": str(model.version or 0), "Gristmill-Run": model.run} if model else {}


def as_json(content: Any, model: ServedModel | None = None, status: int = 200) -> Response:
    """Return an answer as JSON, with the headers of its model."""
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    except ValueError:  # a cell that is infinite; JSON has no such number
        text = json.dumps(_finite(content), ensure_ascii=False)
    return Response(text, status, headers(model), "application/json")


def _finite(content: Any) -> Any:
    """Return a value of JSON with null for each number that is not finite."""
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def error_response(error: Exception, limits: Limits, model: ServedModel | None = None) -> Response:
    """Return the answer to a request that failed."""
    if isinstance(error, Refused):
        status = error.status
    elif isinstance(error, TimeoutError):
        status, error = 504, TimeoutError(f"not answered within {limits.seconds:g} seconds.")
    elif isinstance(error, RequestError | DataError):
        status = 400
    elif isinstance(error, StoreError | CorruptArtifact):
        status = 503
        logger.error("%s", error)
    else:
        status = 400 if isinstance(error, ClientDisconnect) else 500
    line = " ".join(str(error).split())
    return as_json({"error": in_fields(line) or "the request ended early."}, model, status)


def in_fields(message: str) -> str:
    """Return a message of the command with fields instead of options and of the rows of a file."""
    message = re.sub(rf"\S*/{answers.FOLDER_PREFIX}\w+/", "", message)
    message = re.sub(r"^--input ", "", message)
    message = re.sub(r"^--([a-z-]+)", lambda match: match[1].replace("-", "_"), message)
    message = re.sub(
        rf"^{ROWS_FILE} row (\d+)(?:, column '([^']*)')?",
        lambda match: f"rows[{int(match[1]) - 1}]{f'.{match[2]}' if match[2] else ''}",
        message,
    )
    return re.sub(rf"^{ROWS_FILE}\b", "rows", message)


async def unknown_address(request: Request, error: HTTPException) -> Response:
    """Answer a request to an address or with a method that the server does not have."""
    allowed = (error.headers or {}).get("Allow")
    remedy = f"Use {allowed}." if allowed else "See /docs."
    line = f"{request.method} {request.url.path}: {error.detail.lower()}. {remedy}"
    return as_json({"error": line}, status=error.status_code)


async def internal_error(request: Request, error: Exception) -> Response:
    """Answer a request that met an error of the program, whose traceback is logged."""
    return as_json({"error": "an internal error; the log of the server has its cause."}, status=500)
