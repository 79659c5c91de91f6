"""Trainings, blocks of backtests and chunks of stages, made by workers that share this project's store."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from gristmill.errors import SourceChanged, WorkError
from gristmill.execution.run import References, Run
from gristmill.store.artifact import Artifact
from gristmill.workers.pool import open_pool
from gristmill.workers.process import Unit


@dataclass(frozen=True)
class StageChunk:
    """A training, a block of a backtest or a chunk of a stage, requested from a worker."""

    stage: str  # label, such as `train theta` or `backtest 2/1`
    key: str  # of the artifact; a worker with other settings, code or data computes another key and fails
    chunk: int | None = None  # its number, from 0 on

    def __str__(self) -> str:
        return self.stage if self.chunk is None else f"{self.stage}, chunk {self.chunk + 1}"


def make_with_workers(
    run: Run, inputs: References, chunks: Sequence[StageChunk]
) -> Iterator[tuple[StageChunk, Artifact, bool, float]]:
    """Let workers make chunks from `inputs`; yield each when it is ready: artifact, whether it existed, and seconds.

    Raises:
        SourceChanged: a worker's data changed while it was read.
        WorkError: a chunk failed, or is not in this project's store.
    """
    catalogue, pipeline = run.catalogue, run.pipeline
    common = {
        "pipeline": pipeline.name,
        "overrides": list(pipeline.overrides),
        "refresh": run.refresh,
        "inputs": dict(inputs),
        "project": str(catalogue.root),
    }
    units = [Unit("chunk", common | asdict(chunk)) for chunk in chunks]
    with open_pool(catalogue.runner, run.jobs and min(run.jobs, len(units))) as pool:
        for number, result in pool.run(units):
            chunk = chunks[number]
            if result.failed:
                error = SourceChanged if result.error == SourceChanged.__name__ else WorkError
                raise error(f"{chunk} of {pipeline.name}: {result.failed}")
            artifact = catalogue.store.get(result.value["stage"], chunk.key)
            if artifact is None:
                raise WorkError(
                    f"{chunk} of {pipeline.name} was made, but is not in the store {catalogue.store.root}. "
                    "Let all workers use one store."
                )
            yield chunk, artifact, result.value["cached"], result.value["seconds"]
