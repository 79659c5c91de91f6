"""Check for projects that Prefect fetches before each run, such as from git: the store must not be in the copy."""

import re

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from gristmill.config.catalogue import Catalogue
from gristmill.errors import WorkError

_FETCHING_STEPS = re.compile(r"(.*\.)?(a?git_clone|pull_\w+)")  # of Prefect and its integrations


def check_store_outlasts_run(catalogue: Catalogue) -> None:
    """Raise `WorkError` if the store is in a copy of the project that a pull step of the run's deployment has made.

    A process worker deletes the copy when the run ends, and a container ends with it. Even in a permanent folder the
    copy is replaced when git cannot update it.
    """
    store, project = catalogue.store, catalogue.root
    if store.remote or not store.root.resolve().is_relative_to(project.resolve()):
        return
    if step := _fetching_step():
        raise WorkError(
            f"{store.root}: this store is in the copy of the project that the deployment's pull step {step} has made, "
            "and would be lost with it. Set GRISTMILL_STORE where the worker starts to the absolute path of a folder "
            "outside of the copy, or [defaults] store to a URL such as s3://bucket/prefix."
        )


def _fetching_step() -> str | None:
    """Return the pull step that has fetched the project for the current flow run, if there is one."""
    context = FlowRunContext.get()
    deployment = context.flow_run.deployment_id if context and context.flow_run else None
    if deployment is None:
        return None
    with get_client(sync_client=True) as client:
        steps = client.read_deployment(deployment).pull_steps or []
    return next((name for step in steps for name in step if _FETCHING_STEPS.fullmatch(name)), None)
