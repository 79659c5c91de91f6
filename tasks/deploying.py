"""A project on a Prefect server: its work pool and its deployments."""

import logging
import re
import subprocess
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryFile

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound

from gristmill.config.deployments import PREFECT_FILE
from gristmill.errors import WorkError
from gristmill.prefect_runtime.api_errors import refusals_told
from gristmill.util.processes import module_command
from tasks.automations import end_silent_runs, watch_for_late_runs

logger = logging.getLogger(__name__)

_BEGINS = re.compile(r"\W*Deploying (?!all flows)")  # what Prefect's command prints before each deployment


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
    _apply(root)


def make_pool(client: SyncPrefectClient, name: str) -> None:
    """Make a work pool of type process, unless there is one of this name, of whatever type."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))


def _apply(root: Path) -> None:
    """Run Prefect's command, which takes about a second for each deployment, and tell how far it is."""
    total, begun, last = len(yaml.safe_load((root / PREFECT_FILE).read_text())["deployments"]), 0, ""
    line, environment = module_command("prefect", "--no-prompt", "deploy", "--all")
    environment["PYTHONUNBUFFERED"] = "1"
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(line, cwd=root, env=environment, stdout=PIPE, stderr=errors, text=True) as process,
    ):
        for said in process.stdout or ():
            last = said.strip() or last
            if _BEGINS.match(said):
                begun += 1
                if begun % max(1, total // 10) == 0:
                    logger.info("deploying  %d of %d", begun, total)
        if process.wait():
            errors.seek(0)
            raise WorkError(f"prefect deploy --all failed: {_last_line(errors.read()) or last}")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
