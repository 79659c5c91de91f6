"""Projects that Prefect fetches for each run, such as from git: the store must not be in a copy that is thrown away."""

import re

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from gristmill.config.catalogue import Catalogue
from gristmill.errors import WorkError

_FETCHES = re.compile(r"(.*\.)?(a?git_clone|pull_\w+)")  # Prefect's pull steps and those of its integrations


def check_store_outlasts_run(catalogue: Catalogue) -> None:
    """Refuse a store that is in the project's folder if a pull step of the run's deployment has fetched the project.

    A process worker deletes the copy when the run ends, and a container ends with it. Even a copy in a folder that is
    kept is replaced when git cannot update it.

    Raises:
        WorkError: the model would be lost with the copy.
    """
    store, project = catalogue.store, catalogue.root
    if store.remote or not store.root.resolve().is_relative_to(project.resolve()):
        return
    if step := _fetched_by():
        raise WorkError(
            f"{store.root}: this store is in the copy of the project that the deployment's pull step {step} has made, "
            "and would be lost with it. Set GRISTMILL_STORE where the worker starts to the absolute path of a folder "
            "outside of the copy, or [defaults] store to a URL such as s3://bucket/prefix."
        )


def _fetched_by() -> str | None:
    """Return the pull step that has fetched the project for the flow run under way; None if none has."""
    context = FlowRunContext.get()
    deployment = context.flow_run.deployment_id if context and context.flow_run else None
    if deployment is None:
        return None
    with get_client(sync_client=True) as client:
        steps = client.read_deployment(deployment).pull_steps or []
    return next((name for step in steps for name in step if _FETCHES.fullmatch(name)), None)
