"""Deploy a project to a Prefect server: its work pool, automations and deployments."""

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
from gristmill.prefect_runtime.api_errors import one_line_api_errors
from gristmill.util.processes import module_command
from tasks.automations import end_silent_runs, watch_for_late_runs

logger = logging.getLogger(__name__)

_DEPLOYMENT_STARTS = re.compile(r"\W*Deploying (?!all flows)")  # in the output of Prefect's command


def deploy(root: Path, pool: str, block: str | None = None) -> None:
    """Create work pool and automations, and apply a project's `prefect.yaml` with Prefect's own command.

    `block` is a notification block, `TYPE/NAME`, that gets a message about late runs.

    Raises:
        RequestError: there is no such block.
        WorkError: the server rejects it.
    """
    with one_line_api_errors(), get_client(sync_client=True) as client:
        create_pool(client, pool)
        end_silent_runs(client)
        watch_for_late_runs(client, pool, block)
    _apply(root)


def create_pool(client: SyncPrefectClient, name: str) -> None:
    """Create a work pool of type process, unless one of this name exists."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))


def _apply(root: Path) -> None:
    """Run Prefect's command, which takes about a second per deployment, and log its progress."""
    total = len(yaml.safe_load((root / PREFECT_FILE).read_text())["deployments"])
    started, last = 0, ""
    line, environment = module_command("prefect", "--no-prompt", "deploy", "--all")
    environment["PYTHONUNBUFFERED"] = "1"
    with (
        TemporaryFile("w+") as errors,
        subprocess.Popen(line, cwd=root, env=environment, stdout=PIPE, stderr=errors, text=True) as process,
    ):
        for output in process.stdout or ():
            last = output.strip() or last
            if _DEPLOYMENT_STARTS.match(output):
                started += 1
                if started % max(1, total // 10) == 0:
                    logger.info("deploying  %d of %d", started, total)
        if process.wait():
            errors.seek(0)
            lines = [stripped for text in errors if (stripped := text.strip())]
            raise WorkError(f"prefect deploy --all failed: {[last, *lines][-1]}")
