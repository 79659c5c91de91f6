"""Pieces of stages, blocks of a backtest or chunks of others, made by workers who share this project's store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gristmill.config.catalogue import Catalogue
from gristmill.errors import SourceChanged, WorkError
from gristmill.store.artifact import Artifact
from gristmill.workers.pool import opened
from gristmill.workers.unit import Unit


@dataclass(frozen=True)
class StageChunk:
    """What a worker is asked for: a block of a backtest, or a chunk of another stage."""

    stage: str  # the label of the stage or of its point, such as `backtest 2/1`
    key: str  # of the artifact. A worker that finds another one has other settings, code or data, and is not heard
    chunk: int | None = None  # its number, from 0 on

    def __str__(self) -> str:
        return self.stage if self.chunk is None else f"{self.stage}, chunk {self.chunk + 1}"


@dataclass(frozen=True)
class ChunkResult:
    """A piece that is there now."""

    artifact: Artifact
    cached: bool  # it was there before
    seconds: float


def made_by_workers(
    catalogue: Catalogue, jobs: int | None, common: Mapping[str, Any], pieces: Sequence[StageChunk]
) -> Iterator[tuple[int, ChunkResult]]:
    """Have pieces made, and yield each with its number as it comes.

    Args:
        catalogue: the project.
        jobs: pieces that are made at a time; None for as many as a cluster has workers.
        common: parameters of the flow `chunk` that all pieces have.
        pieces: what is to be made.

    Raises:
        SourceChanged: a worker found that its data changed while it was read.
        WorkError: one could not be made, or is not in this project's store.
    """
    units = [Unit("chunk", {**common, **asdict(piece), "project": str(catalogue.root)}) for piece in pieces]
    with opened(catalogue.runner, jobs and min(jobs, len(units))) as pool:
        for number, done in pool.do(units):
            piece = pieces[number]
            who = f"{piece} of {common['pipeline']}"
            if done.failed:
                kind = SourceChanged if done.error == SourceChanged.__name__ else WorkError
                raise kind(f"{who}: {done.failed}")
            artifact = catalogue.store.get(done.value["stage"], piece.key)
            if artifact is None:
                raise WorkError(
                    f"{who} was made, but is not in the store {catalogue.store.root}. Have all workers use one store."
                )
            yield number, ChunkResult(artifact, done.value["cached"], done.value["seconds"])
