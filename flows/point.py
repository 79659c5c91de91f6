"""The flow of one point of a stage that fans out, for a worker: another process keeps the record of its run."""

import time
from pathlib import Path
from typing import Any

from prefect import flow

from gristmill.artifact import Reference
from gristmill.backend import set_threads
from gristmill.config import load
from tasks.progress import EpochProgress
from tasks.stage import Run, make


@flow(name="point", flow_run_name="{point} {pipeline}", persist_result=False)
def point(
    pipeline: str, overrides: list[str], refresh: str | None, point: str, prepared: Reference, project: str
) -> dict[str, Any]:
    """Make one block of a backtest.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: assignments of the run.
        refresh: the stage that the run does again.
        point: the block's label, such as `backtest 2/1`.
        prepared: the artifact that it reads.
        project: folder of `pipelines.toml`.

    Returns:
        Its `reference`, whether it was there (`cached`), and the `seconds` that it took.
    """
    began = time.perf_counter()
    catalogue = load(Path(project), {pipeline: overrides})
    set_threads(catalogue.runner.threads)
    run = Run("", catalogue, catalogue.pipeline(pipeline), refresh)
    artifact, cached = make(run, point, prepared, on_epoch=EpochProgress(pipeline))
    return {"reference": artifact.reference, "cached": cached, "seconds": time.perf_counter() - began}
