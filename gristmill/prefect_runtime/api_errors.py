"""Errors of Prefect's API, reported in one line."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from httpx import URL, HTTPError, HTTPStatusError, codes
from prefect.exceptions import PrefectException

from gristmill.errors import WorkError
from gristmill.util.urls import strip_credentials

logger = logging.getLogger(__name__)


@contextmanager
def one_line_api_errors(api: str | None = None) -> Iterator[None]:
    """Turn errors of Prefect's API into `WorkError`; with its address, errors of other servers pass."""
    try:
        yield
    except HTTPStatusError as error:
        if api and not is_from_api(error, api):
            raise
        unauthorized = error.response.status_code in (codes.UNAUTHORIZED, codes.FORBIDDEN)
        remedy = "Set PREFECT_API_AUTH_STRING to the server's." if unauthorized else "See its log."
        message = strip_credentials(str(error).partition(" - ")[0].partition("\n")[0])
        raise WorkError(f"Prefect's API rejected the request ({message}). {remedy}") from None


@contextmanager
def best_effort() -> Iterator[None]:
    """Log errors of Prefect's API and continue without it."""
    try:
        yield
    except (HTTPError, PrefectException) as error:
        logger.warning("Prefect's server was not updated: %s", error)


def is_from_api(error: HTTPError, api: str) -> bool:
    """Return whether the failed request was to this API; a user's own code may use other servers."""
    try:
        url = error.request.url
    except RuntimeError:  # the error has no request
        return False
    return (url.host, url.port) == (URL(api).host, URL(api).port)
