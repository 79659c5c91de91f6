"""`deploy`, `schedule`, `updated`: the file they write, and what they refuse before they talk to a server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import SMALL
from gristmill.config import catalogue
from gristmill.deployment import prefect_file as deployments
from gristmill.prefect_runtime.schedule_announcement import announce_schedule
from helpers.end_to_end import Command
from helpers.support import Said

pytest_plugins = ["helpers.end_to_end"]

ON_EVENT = f"{SMALL}\n[pipelines.small.schedule]\non_event = true\n"
NO_SERVER = (
    "no Prefect server is named. Start one (prefect server start) and set PREFECT_API_URL to its address, such as "
    "http://127.0.0.1:4200/api."
)


@pytest.fixture
def _no_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


def test_deploy_writes_the_file_alone_where_it_is_asked_to(command: Command, project: Path) -> None:
    assert command("deploy", "--write-only", "--pool", "gpus") == Said(0, f"wrote {project / 'prefect.yaml'}\n", "")
    assert (project / "prefect.yaml").read_text() == deployments.prefect_yaml(catalogue.load(project), "gpus")


@pytest.mark.usefixtures("_no_server")
def test_deploy_needs_a_server_that_outlasts_it(command: Command, project: Path) -> None:
    assert command("deploy") == Said(2, "", f"error: deploy: {NO_SERVER}\n")


@pytest.mark.usefixtures("_no_server")
def test_updated_needs_a_schedule_or_a_server(command: Command, project: Path) -> None:
    (project / "pipelines.toml").write_text(ON_EVENT)
    assert command("updated", "small") == Said(
        2,
        "",
        f"error: updated: no gristmill schedule uses the store {project / 'data/store'}, and PREFECT_API_URL is "
        "not set. Start gristmill schedule, or set PREFECT_API_URL to a server's address, such as "
        "http://127.0.0.1:4200/api.\n",
    )


@pytest.mark.usefixtures("_no_server")
def test_updated_refuses_a_pipeline_that_the_schedule_leaves_out(command: Command, project: Path) -> None:
    (project / "pipelines.toml").write_text(ON_EVENT)
    with announce_schedule(catalogue.load(project).store, "http://127.0.0.1:4321/api", ["one", "two"]):
        said = command("updated", "small")
    assert said == Said(
        2,
        "",
        f"error: updated: the running gristmill schedule (process {os.getpid()}) retrains one, two, but not small. "
        "Restart it with small included.\n",
    )


@pytest.mark.usefixtures("project")
def test_updated_refuses_where_nothing_waits_for_it(command: Command) -> None:
    assert command("updated", "small") == Said(
        2,
        "",
        "error: [pipelines.small.schedule] on_event is not set, so nothing waits for the event. "
        "Set it to true and deploy again.\n",
    )


@pytest.mark.parametrize("words", [("deploy", "--write-only"), ("schedule",)])
def test_a_rule_that_has_ended_is_refused(command: Command, project: Path, words: tuple[str, ...]) -> None:
    (project / "pipelines.toml").write_text(
        f'{SMALL}\n[pipelines.small.schedule]\nrrule = "FREQ=DAILY;UNTIL=20250101"\n'
    )
    assert command(*words) == Said(
        2,
        "",
        "error: pipelines.toml [pipelines.small.schedule] rrule: expected a rule that has not ended. Received: "
        "'FREQ=DAILY;UNTIL=20250101'. Use a later UNTIL or a larger COUNT (counted from 2020-01-01), or remove the "
        "rule.\n",
    )


@pytest.mark.usefixtures("project")
def test_schedule_refuses_where_nothing_has_one(command: Command) -> None:
    assert command("schedule") == Said(
        2,
        "",
        "error: no pipeline has a schedule. Add a table [pipelines.NAME.schedule] with cron, interval or rrule.\n",
    )


@pytest.mark.usefixtures("project")
def test_schedule_refuses_a_pipeline_that_has_none(command: Command) -> None:
    assert command("schedule", "small") == Said(
        2,
        "",
        "error: [pipelines.small.schedule] has no schedule. Set cron, interval or rrule, or on_event = true.\n",
    )


def test_a_pipeline_that_is_not_there_is_told(command: Command, project: Path) -> None:
    file = project / "pipelines.toml"
    unknown = f"error: {file}: unknown pipeline 'smal'. Did you mean 'small'? All: gristmill ls.\n"
    assert command("schedule", "smal") == Said(2, "", unknown)
    assert command("updated", "smal") == Said(2, "", unknown)
