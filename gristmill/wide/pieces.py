"""Pieces of stages, blocks of a backtest or chunks of photos, made by workers who share this project's store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.artifact import Artifact
from gristmill.config import Catalogue
from gristmill.errors import WorkError
from gristmill.wide.pool import opened
from gristmill.wide.unit import Unit


@dataclass(frozen=True)
class Piece:
    """A piece that is there now."""

    artifact: Artifact
    cached: bool  # it was there before
    seconds: float


def made_by_workers(
    catalogue: Catalogue, jobs: int | None, common: Mapping[str, Any], pieces: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, Piece]]:
    """Have pieces made, and yield each with its number as it comes.

    Args:
        catalogue: the project.
        jobs: pieces that are made at a time; None for as many as a cluster has workers.
        common: parameters of the flow `piece` that all pieces have.
        pieces: those that each has of its own.

    Raises:
        WorkError: one could not be made, or is not in this project's store.
    """
    units = [Unit("piece", {**common, **piece, "project": str(catalogue.root)}) for piece in pieces]
    with opened(catalogue.runner, jobs and min(jobs, len(units))) as pool:
        for number, done in pool.do(units):
            who = f"{' '.join(str(value) for value in pieces[number].values())} of {common['pipeline']}"
            if done.failed:
                raise WorkError(f"{who}: {done.failed}")
            reference = done.value["reference"]
            artifact = catalogue.store.find(reference["stage"], reference["key"])
            if artifact is None:
                raise WorkError(
                    f"{who} was made, but is not in the store {catalogue.store.root}. Have all workers use one store."
                )
            yield number, Piece(artifact, done.value["cached"], done.value["seconds"])
