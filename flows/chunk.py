"""The flow of one chunk of a stage, run by a worker; the process that requests it keeps the run's record."""

import time
from pathlib import Path
from typing import Any

from prefect import flow

from gristmill.config.catalogue import load
from gristmill.store.artifact import Reference
from gristmill.training.keras_backend import set_threads
from gristmill.workers.chunks import StageChunk
from tasks.prefect_artifacts import EpochProgress
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
    """Make one block of a backtest, or one chunk of another stage.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: settings that the run changes.
        refresh: the stage that the run repeats.
        stage: label of the stage or of its point, such as `backtest 2/1`.
        key: that the artifact must have.
        inputs: artifacts to read.
        project: folder of `pipelines.toml`.
        chunk: number of the chunk, from 0 on; None for a whole block.

    Returns:
        The name of the `stage`, whether it was a cache hit (`cached`), and the `seconds` taken.
    """
    started = time.perf_counter()
    catalogue = load(Path(project), {pipeline: overrides})
    set_threads(catalogue.runner.threads)
    run = Run("", catalogue, catalogue.pipeline(pipeline), refresh)
    callbacks = {"on_epoch": EpochProgress(pipeline)} if chunk is None else {}
    artifact, cached = make(run, stage, *inputs, requested=StageChunk(stage, key, chunk), **callbacks)
    return {"stage": artifact.manifest["stage"], "cached": cached, "seconds": time.perf_counter() - started}
