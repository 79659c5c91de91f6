"""A project that a worker fetches from git for each run: its store is not in the copy, which is thrown away."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State

from conftest import ROOT
from gristmill.config import catalogue
from gristmill.config.deployments import PREFECT_FILE, prefect_yaml
from gristmill.runs.records import Runs
from gristmill.store.store import Store
from tasks.deploy import deploy
from tasks.deployed_runs import _FETCHING_STEPS

POOL = "fetching"
Fetched = Callable[[dict[str, str]], State[Any]]


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def fetched(project: Path, client: SyncPrefectClient, prefect_api: str) -> Fetched:
    """Run the pipeline small by a worker that clones its project, with more variables, and return how the run ended."""
    pull = f"pull:\n- prefect.deployments.steps.git_clone: {{repository: '{project.as_uri()}', branch: main}}\n"
    (project / PREFECT_FILE).write_text(prefect_yaml(catalogue.load(project), POOL) + pull)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "a project"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    deploy(project, POOL)

    def run(variables: dict[str, str]) -> State[Any]:
        made = client.create_flow_run_from_deployment(client.read_deployment_by_name("timeseries/small").id)
        worker = ["worker", "start", "--pool", POOL, "--type", "process", "--run-once", "--install-policy", "never"]
        here = {"PREFECT_API_URL": prefect_api, "PYTHONPATH": str(ROOT)}
        subprocess.run(
            [sys.executable, "-P", "-m", "prefect", *worker], env=os.environ | here | variables, timeout=300, check=True
        )
        return client.read_flow_run(made.id).state or pytest.fail("the run has no state")

    return run


@pytest.mark.parametrize(
    ("step", "fetches"),
    [
        ("prefect.deployments.steps.git_clone", True),
        ("prefect.deployments.steps.pull_from_remote_storage", True),
        ("prefect.deployments.steps.pull_with_block", True),
        ("prefect_aws.deployments.steps.pull_from_s3", True),
        ("prefect.deployments.steps.set_working_directory", False),
        ("prefect.deployments.steps.pip_install_requirements", False),
        ("prefect.deployments.steps.run_shell_script", False),
    ],
)
def test_pull_steps_that_fetch_a_project_are_known_by_name(step: str, fetches: bool) -> None:
    assert bool(_FETCHING_STEPS.fullmatch(step)) is fetches


@pytest.mark.slow
def test_a_store_in_a_clone_is_refused_and_one_outside_of_it_keeps_the_model(
    fetched: Fetched, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lost = fetched({})
    assert lost.is_failed()
    assert lost.message is not None
    assert (
        "data/store: this store is in the copy of the project that the deployment's pull step "
        "prefect.deployments.steps.git_clone has made, and would be lost with it. Set GRISTMILL_STORE where the worker"
    ) in lost.message

    outside = tmp_path_factory.mktemp("outside")
    kept = fetched({"GRISTMILL_STORE": str(outside)})
    assert kept.is_completed(), kept.message
    store = Store(outside)
    record = Runs(store).latest("small", "succeeded")
    assert record
    assert (store.open_verified(record.references["export"]).path / "model.keras").exists()
