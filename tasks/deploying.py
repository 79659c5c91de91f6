"""A project on a Prefect server: its work pool and its deployments."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from httpx import HTTPStatusError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound

from gristmill.errors import WorkError
from gristmill.processes import command
from tasks.lookout import end_silent_runs, watch_for_late_runs


def deploy(root: Path, pool: str, notify: str | None = None) -> None:
    """Apply the `prefect.yaml` of a project: make what it needs, then deploy it by Prefect's own command.

    Args:
        root: the project's folder.
        pool: the work pool; made, of type process, where there is none of this name.
        notify: a notification block, `TYPE/NAME`, that is told of late runs.

    Raises:
        RequestError: there is no such block.
        WorkError: the server refuses it.
    """
    with refusals_told(), get_client(sync_client=True) as client:
        make_pool(client, pool)
        end_silent_runs(client)
        watch_for_late_runs(client, pool, notify)
    line, environment = command("prefect", "--no-prompt", "deploy", "--all")
    done = subprocess.run(line, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkError(f"prefect deploy --all failed: {_last_line(done.stderr) or _last_line(done.stdout)}")


@contextmanager
def refusals_told() -> Iterator[None]:
    """Raise `WorkError`, in one line, for what Prefect's API refuses."""
    try:
        yield
    except HTTPStatusError as error:
        remedy = "Set PREFECT_API_AUTH_STRING to the server's." if error.response.status_code == 401 else "See its log."
        said = str(error).partition(" - ")[0].partition("\n")[0]
        raise WorkError(f"Prefect's API refused it ({said}). {remedy}") from None


def make_pool(client: SyncPrefectClient, name: str) -> None:
    """Make a work pool of type process, unless there is one of this name, of whatever type."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
