"""What data of a pipeline is known already: judged by a retraining, or trained on by the champion."""

from typing import NamedTuple

from gristmill.artifact import Reference
from gristmill.config import Pipeline
from gristmill.registry import Registry
from gristmill.retraining import News
from gristmill.runs import Runs
from gristmill.version import Version


class Known(NamedTuple):
    """Ingested data, and how it differs from the champion's."""

    ingest: Reference
    news: News


def last_known(pipeline: Pipeline, runs: Runs, registry: Registry, champion: Version | None) -> Known | None:
    """Return the data that the last retraining by today's settings judged, or the champion's.

    The champion's it is where it is newer, and where it stands in for a damaged one: what had been judged for that one
    is to be judged again.

    Args:
        pipeline: with its settings of today.
        runs: the records.
        registry: of the versions.
        champion: the sound one.
    """
    judged, promoted = runs.last_judged(pipeline), registry.promoted(pipeline.name)
    newer = champion is not None and (judged is None or champion.made > judged.started)
    stands_in = champion is not None and promoted != champion.number
    if judged and judged.retraining and not newer and not stands_in:
        return Known(judged.references["ingest"], judged.retraining.news)
    return Known(champion.references["ingest"], News(later=0)) if champion else None
