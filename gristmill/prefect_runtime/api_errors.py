"""What Prefect's API refuses, told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from httpx import URL, HTTPError, HTTPStatusError, codes

from gristmill.errors import WorkError
from gristmill.util.urls import strip_credentials


@contextmanager
def refusals_told(api: str | None = None) -> Iterator[None]:
    """Raise `WorkError`, in one line, for what Prefect's API refuses.

    Args:
        api: its address, where others may be asked too, whose refusals are not touched.
    """
    try:
        yield
    except HTTPStatusError as error:
        if api and not concerns(error, api):
            raise
        locked = error.response.status_code in (codes.UNAUTHORIZED, codes.FORBIDDEN)
        remedy = "Set PREFECT_API_AUTH_STRING to the server's." if locked else "See its log."
        said = strip_credentials(str(error).partition(" - ")[0].partition("\n")[0])
        raise WorkError(f"Prefect's API refused it ({said}). {remedy}") from None


def concerns(error: HTTPError, api: str) -> bool:
    """Whether what went wrong was a request to this API: a user's own code may ask other servers."""
    try:
        asked = error.request.url
    except RuntimeError:  # it does not know its request
        return False
    return (asked.host, asked.port) == (URL(api).host, URL(api).port)
