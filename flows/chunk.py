"""The flow of one chunk of a stage, run by a worker; the process that requests it keeps the run's record."""

import time
from pathlib import Path
from typing import Any

from prefect import flow

from gristmill.config.catalogue import load
from gristmill.execution.chunks import StageChunk
from gristmill.execution.run import Run
from gristmill.execution.stage import make
from gristmill.store.artifact import Reference
from gristmill.tasks.prefect_artifacts import EpochProgress
from gristmill.training.keras_backend import set_threads


@flow(name="chunk", flow_run_name="{stage} {chunk} {pipeline}", persist_result=False)
def chunk(
    pipeline: str,
    overrides: list[str],
    refresh: str | None,
    stage: str,
    key: str,
    inputs: dict[str, Reference],
    project: str,
    chunk: int | None = None,
) -> dict[str, Any]:
    """Make one training, one block of a backtest, or one chunk of a stage; return stage, `cached` and `seconds`.

    The artifact must have the given key. `chunk` is the number of the chunk, from 0 on; None for others.
    """
    started = time.perf_counter()
    catalogue = load(Path(project), {pipeline: overrides})
    set_threads(catalogue.runner.threads)
    run = Run("", catalogue, catalogue.pipeline(pipeline), refresh)
    callbacks = {"on_epoch": EpochProgress(pipeline)} if chunk is None else {}
    artifact, cached = make(run, stage, inputs, requested=StageChunk(stage, key, chunk), **callbacks)
    return {"stage": artifact.manifest["stage"], "cached": cached, "seconds": time.perf_counter() - started}
