"""How Prefect is set up before it is loaded, and what is said where its API is lost."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from gristmill.cli import app
from gristmill.config import catalogue
from gristmill.errors import WorkError
from gristmill.prefect_runtime import launch, server, set_up
from gristmill.prefect_runtime.set_up import set_up_prefect
from gristmill.util.processes import TEMPORARY_API_VARIABLE


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


ASKED = httpx.Request("GET", "http://ann:hidden@api/flows")


def heard_of(error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[WorkError]:
    """Have a flow end with an error, and return a list to which is added what the command line hears of it."""

    def fail(**_: object) -> NoReturn:
        raise error

    heard: list[WorkError] = []
    monkeypatch.setattr(launch, "_load_flow", lambda *_: (fail, "http://ann:hidden@api"))
    monkeypatch.setattr(set_up, "lost_callbacks", [])
    set_up.on_api_lost(heard.append)
    return heard


@pytest.mark.fault(30)
def test_an_api_that_is_lost_in_mid_run_is_named_and_the_command_line_hears_of_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = heard_of(httpx.ConnectError("Connection refused", request=ASKED), monkeypatch)

    with pytest.raises(WorkError) as raised:
        launch.launch(catalogue.load(), ["small"], "timeseries", {"pipeline": "small"})

    assert heard == [raised.value]
    assert str(raised.value) == (
        "Prefect's API at http://api was lost during the run (Connection refused). Run again: it resumes."
    )


def test_a_temporary_server_is_sent_no_heartbeats(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY

    monkeypatch.setattr(launch, "_load_flow", lambda *_: (lambda **_: PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value(), "url"))
    monkeypatch.setenv(TEMPORARY_API_VARIABLE, "url")

    assert launch.launch(catalogue.load(), ["small"], "timeseries", {"pipeline": "small"}) is None


def test_a_flow_has_the_catalogue_of_its_launch_unless_its_project_or_overrides_differ(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "pipelines.toml").write_text((project / "pipelines.toml").read_text())
    known = catalogue.load(project, {"small": ["train.epochs=7"]})
    requests = [
        (str(project), {"small": ["train.epochs=7"]}),
        (str(project), {}),
        (str(project), {"small": []}),
        (None, {"small": ["train.epochs=7"]}),
        (str(other), {"small": ["train.epochs=7"]}),
    ]

    def work(**_: object) -> list[bool]:
        return [launch.catalogue_of_flow(*request) is known for request in requests]

    monkeypatch.setattr(launch, "_load_flow", lambda *_: (work, "url"))

    assert launch.launch(known, ["small"], "timeseries", {"pipeline": "small"}) == [True, True, False, False, False]
    assert work() == [False] * 5


ELSEWHERE = httpx.Request("GET", "http://models.example/weights")


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("Connection refused", request=ELSEWHERE),
        httpx.ReadError("of whom nobody knows"),
        httpx.HTTPStatusError("503", request=ELSEWHERE, response=httpx.Response(503, request=ELSEWHERE)),
    ],
)
def test_a_server_that_a_users_own_code_asks_is_not_taken_for_prefects(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: httpx.HTTPError
) -> None:
    heard = heard_of(error, monkeypatch)

    with pytest.raises(type(error)) as raised:
        launch.launch(catalogue.load(), ["small"], "timeseries", {"pipeline": "small"})

    assert (raised.value, heard) == (error, [])


@pytest.mark.fault(30)
def test_the_process_ends_also_where_nobody_reads_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> NoReturn:
        raise BrokenPipeError

    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    monkeypatch.setattr(sys.stdout, "flush", refuse)

    with pytest.raises(BrokenPipeError):
        app._end(WorkError("lost"))

    assert statuses == [1]


@pytest.mark.parametrize("named", [None, "http://api"])
def test_tensorflow_is_imported_before_the_flow_only_while_a_server_starts(
    monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    imported: list[str] = []
    monkeypatch.setattr(server, "start_api", lambda **_: lambda: "http://api")
    monkeypatch.setattr(server, "named_api", lambda: named)
    monkeypatch.setattr(launch, "import_keras", lambda: imported.append("keras"))

    flow, url = launch._load_flow("timeseries", trains=True)

    assert (flow.name, url, imported) == ("timeseries", "http://api", [] if named else ["keras"])
