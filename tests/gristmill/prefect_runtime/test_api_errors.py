"""What Prefect's API refuses is told in a line."""

import httpx
import pytest

from gristmill.errors import WorkError
from gristmill.prefect_runtime.api_errors import one_line_api_errors


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "(Client error '401 Unauthorized' for url 'http://api/'). Set PREFECT_API_AUTH_STRING to the server's."),
        (403, "(Client error '403 Forbidden' for url 'http://api/'). Set PREFECT_API_AUTH_STRING to the server's."),
        (503, "(Server error '503 Service Unavailable' for url 'http://api/'). See its log."),
    ],
)
def test_what_the_server_refuses_is_told_in_a_line(status: int, said: str) -> None:
    answer = httpx.Response(status, request=httpx.Request("GET", "http://ann:hidden@api/"))
    with pytest.raises(WorkError) as refused, one_line_api_errors():
        answer.raise_for_status()
    assert str(refused.value) == f"Prefect's API rejected the request {said}"


def test_what_another_server_refuses_is_left_as_it_is() -> None:
    answer = httpx.Response(503, request=httpx.Request("GET", "http://elsewhere/"))
    with pytest.raises(httpx.HTTPStatusError), one_line_api_errors("http://api/"):
        answer.raise_for_status()
