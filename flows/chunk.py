"""The flow of one piece of a stage, for a worker: another process keeps the record of its run."""

import time
from pathlib import Path
from typing import Any

from prefect import flow

from gristmill.config.catalogue import load
from gristmill.store.artifact import Reference
from gristmill.training.keras_backend import set_threads
from gristmill.workers.chunks import StageChunk
from tasks.progress import EpochProgress
from tasks.run_stage import Run, make


@flow(name="chunk", flow_run_name="{stage} {chunk} {pipeline}", persist_result=False)
def chunk(
    pipeline: str,
    overrides: list[str],
    refresh: str | None,
    stage: str,
    key: str,
    inputs: list[Reference],
    project: str,
    chunk: int | None = None,
) -> dict[str, Any]:
    """Make one block of a backtest, or one chunk of what another stage has to do.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: assignments of the run.
        refresh: the stage that the run does again.
        stage: the label of the stage or of its point, such as `backtest 2/1`.
        key: that its artifact must have.
        inputs: the artifacts that it reads.
        project: folder of `pipelines.toml`.
        chunk: number of the chunk, from 0 on; None for all of it.

    Returns:
        The name of its `stage`, whether it was there (`cached`), and the `seconds` that it took.
    """
    began = time.perf_counter()
    catalogue = load(Path(project), {pipeline: overrides})
    set_threads(catalogue.runner.threads)
    run = Run("", catalogue, catalogue.pipeline(pipeline), refresh)
    trains = {"on_epoch": EpochProgress(pipeline)} if chunk is None else {}
    artifact, cached = make(run, stage, *inputs, requested=StageChunk(stage, key, chunk), **trains)
    return {"stage": artifact.manifest["stage"], "cached": cached, "seconds": time.perf_counter() - began}
