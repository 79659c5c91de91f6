"""The address that the server listens on."""

import pytest

from gristmill.errors import RequestError
from gristmill.model_server.server import listen


def test_a_port_in_use_names_a_free_one() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RequestError) as refused:
            listen("127.0.0.1", port)
    assert str(refused.value) == (
        f"--port {port}: already in use at 127.0.0.1. Use another port, or 0 for any free port."
    )


def test_an_address_of_another_machine_names_the_reason() -> None:
    with pytest.raises(RequestError) as refused:
        listen("192.0.2.1", 8501)  # reserved for documentation
    assert str(refused.value) == (
        "--host 192.0.2.1 --port 8501: cannot be used (Cannot assign requested address). Use another host or port."
    )
