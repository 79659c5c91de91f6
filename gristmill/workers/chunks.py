"""Trainings, blocks of backtests and chunks of stages, made by workers that share this project's store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gristmill.config.catalogue import Catalogue
from gristmill.errors import SourceChanged, WorkError
from gristmill.store.artifact import Artifact
from gristmill.workers.pool import open_pool
from gristmill.workers.unit import Unit


@dataclass(frozen=True)
class StageChunk:
    """A training, a block of a backtest or a chunk of a stage, requested from a worker."""

    stage: str  # label, such as `train theta` or `backtest 2/1`
    key: str  # of the artifact; a worker with other settings, code or data computes another key and fails
    chunk: int | None = None  # its number, from 0 on

    def __str__(self) -> str:
        return self.stage if self.chunk is None else f"{self.stage}, chunk {self.chunk + 1}"


@dataclass(frozen=True)
class ChunkResult:
    """Artifact of a chunk."""

    artifact: Artifact
    cached: bool  # whether it existed before
    seconds: float


def make_with_workers(
    catalogue: Catalogue, jobs: int | None, common: Mapping[str, Any], chunks: Sequence[StageChunk]
) -> Iterator[tuple[int, ChunkResult]]:
    """Let workers make chunks, `jobs` at a time, and yield number and result of each when it is ready.

    Raises:
        SourceChanged: a worker's data changed while it was read.
        WorkError: a chunk failed, or is not in this project's store.
    """
    units = [Unit("chunk", {**common, **asdict(chunk), "project": str(catalogue.root)}) for chunk in chunks]
    with open_pool(catalogue.runner, jobs and min(jobs, len(units))) as pool:
        for number, result in pool.run(units):
            name = f"{chunks[number]} of {common['pipeline']}"
            if result.failed:
                error = SourceChanged if result.error == SourceChanged.__name__ else WorkError
                raise error(f"{name}: {result.failed}")
            artifact = catalogue.store.get(result.value["stage"], chunks[number].key)
            if artifact is None:
                raise WorkError(
                    f"{name} was made, but is not in the store {catalogue.store.root}. Let all workers use one store."
                )
            yield number, ChunkResult(artifact, result.value["cached"], result.value["seconds"])
