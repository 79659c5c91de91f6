"""A worker that fetches the project for each run: its store is not in the copy, which is thrown away."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.core import url_to_fs
from prefect.artifacts import Artifact as PrefectArtifact
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.deployments.steps import pull_from_remote_storage

from conftest import ROOT, SMALL
from gristmill import Project
from gristmill.config import catalogue
from gristmill.prefect_runtime.deploy import plan
from gristmill.prefect_runtime.deployed_runs import _FETCHING_STEPS
from gristmill.runs.records import Runs
from gristmill.store.remote.remote import Remote
from gristmill.store.remote.shared_store import SharedStore

pytest_plugins = ["helpers.shared_store"]

Worked = Callable[..., State[Any]]


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def worked(
    project: Path, client: SyncPrefectClient, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Worked:
    """Run the pipeline small by a worker in an empty folder that clones its project; return how the run ended."""
    deploy = f"\n[deploy]\npool = 'fetching'\ngit = {{ url = '{project.as_uri()}', branch = 'main' }}\n"
    deploy += "[pipelines.small.deploy.job_variables.env]\nGRISTMILL_CACHE = '{{ prefect.blocks.secret.cache }}'\n"
    cache = tmp_path_factory.mktemp("cache")
    Secret(value=str(cache)).save("cache", overwrite=True)
    (project / "pipelines.toml").write_text(SMALL + deploy)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "a project"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    plan(catalogue.load(project)).apply()
    variables = client.read_deployment_by_name("timeseries/small").job_variables
    assert variables["env"]["GRISTMILL_CACHE"] == "{{ prefect.blocks.secret.cache }}"  # and not its value
    empty = tmp_path_factory.mktemp("empty")

    def run(**variables: str) -> State[Any]:
        made = client.create_flow_run_from_deployment(client.read_deployment_by_name("timeseries/small").id)
        worker = [
            "worker",
            "start",
            "--pool",
            "fetching",
            "--type",
            "process",
            "--run-once",
            "--install-policy",
            "never",
        ]
        here = {"PREFECT_API_URL": prefect_api, "PYTHONPATH": str(ROOT)}
        subprocess.run(
            [sys.executable, "-P", "-m", "prefect", *worker],
            cwd=empty,
            env=os.environ | here | variables,
            timeout=300,
            check=True,
        )
        assert list(empty.iterdir()) == []
        assert bool(list(cache.iterdir())) is ("GRISTMILL_STORE" in variables)  # the secret was filled in
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
def test_a_worker_in_an_empty_folder_with_git_and_a_bucket_makes_equal_artifacts(
    project: Path, worked: Worked, shared: str, tmp_path: Path
) -> None:
    lost = worked()
    assert lost.is_failed()
    assert lost.message is not None
    assert (
        "data/store: this store is in the copy of the project that the deployment's pull step "
        "prefect.deployments.steps.git_clone has made, and would be lost with it. Set GRISTMILL_STORE where the worker"
    ) in lost.message

    made = worked(GRISTMILL_STORE=shared)

    assert made.is_completed(), made.message
    link = PrefectArtifact.get("small-report")
    assert link
    assert link.data == f"[report on small]({shared}/reports/small.html)"
    file_system, report = url_to_fs(f"{shared}/reports/small.html")
    assert b"A few years of sunspots" in file_system.cat_file(report)

    store = SharedStore(tmp_path / "cache", Remote(shared))
    runs = Runs(store)
    runs.pull("small")
    there = runs.latest("small", "succeeded")
    here = Project.open(project).run("small").record
    assert there
    assert there.references == here.references


def test_prefect_copies_a_project_from_a_bucket(
    project: Path, shared: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step of `[deploy] bucket` is Prefect's own and needs no credentials besides those in the environment."""
    file_system, folder = url_to_fs(shared)
    file_system.put(str(project / "pipelines.toml"), f"{folder}/pipelines.toml")
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    pulled = asyncio.run(pull_from_remote_storage(shared))
    assert (Path(pulled["directory"]) / "pipelines.toml").read_text() == SMALL
