"""How Prefect is set up before it is loaded."""

import os

import pytest

from gristmill.launch import set_up_prefect


@pytest.mark.parametrize(
    ("said", "levels"),
    [
        ({}, ("INFO", "WARNING")),
        ({"PREFECT_LOGGING_LEVEL": "DEBUG"}, ("DEBUG", "WARNING")),
        ({"PREFECT_LOGGING_LEVEL": "CRITICAL"}, ("CRITICAL", "CRITICAL")),
    ],
)
def test_prefect_logs_from_the_level_that_was_said_first(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], levels: tuple[str, str]
) -> None:
    monkeypatch.setattr(os, "environ", dict(said))

    set_up_prefect("INFO")
    set_up_prefect()

    assert (os.environ["PREFECT_LOGGING_LEVEL"], os.environ["PREFECT_SERVER_LOGGING_LEVEL"]) == levels
