"""The flow that trains a version again from its own data, and compares the weights."""

from typing import Any

from prefect import flow

from gristmill.retraining.reproduction import compare_with_version
from gristmill.tasks.reproduction import version_run
from gristmill.tasks.stage_tasks import preprocess, refit, select, train


@flow(name="reproduce", flow_run_name="reproduce {pipeline} v{version}", persist_result=False)
def reproduce(pipeline: str, version: int, project: str | None = None) -> dict[str, Any]:
    """Train a version again from its own data and settings, and compare the result; nothing is promoted.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        version: number of the version.
        project: folder of `pipelines.toml`; default: found from the current folder upward.

    Returns:
        The comparison (`gristmill/retraining/reproduction.py`).
    """
    with version_run(pipeline, version, project) as (run, original):
        made = {"ingest": original.references["ingest"]}
        for step in (preprocess, train, select, refit):  # evaluate takes long and changes no weights
            made |= step(run, made)
        reproduction = compare_with_version(original, run.record(), run.store)
    return reproduction.model_dump(mode="json")
