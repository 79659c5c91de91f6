"""A project on a Prefect server: its work pool, and what is said where Prefect's command refuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client

from gristmill.config.deployments import PREFECT_FILE, entrypoint
from gristmill.errors import WorkError
from tasks.deploy import create_pool, deploy


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def test_a_work_pool_is_made_once_and_one_that_is_there_is_let_alone(client: SyncPrefectClient) -> None:
    create_pool(client, "once")
    first = client.read_work_pool("once")
    create_pool(client, "once")
    assert (first.type, client.read_work_pool("once")) == ("process", first)


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_it_is_told_how_far_prefect_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = "".join(
        f"- {{name: small{n}, entrypoint: {entrypoint('timeseries')}, work_pool: {{name: gristmill}}}}\n"
        for n in (1, 2)
    )
    (tmp_path / PREFECT_FILE).write_text(f"deployments:\n{names}")
    with caplog.at_level("INFO", "tasks.deploy"):
        deploy(tmp_path, "gristmill")
    assert caplog.messages == ["deploying  1 of 2", "deploying  2 of 2"]


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_what_prefect_says_of_a_failure_is_told(tmp_path: Path) -> None:
    (tmp_path / PREFECT_FILE).write_text("deployments:\n- {name: lost, entrypoint: nowhere.at_all}\n")
    with pytest.raises(WorkError, match=r"^prefect deploy --all failed: .*nowhere"):
        deploy(tmp_path, "gristmill")
