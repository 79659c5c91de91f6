"""What data of a pipeline is known already: judged by a retraining, or trained on by the champion."""

from typing import NamedTuple

from gristmill.artifact import Reference
from gristmill.config import Pipeline
from gristmill.registry import Version
from gristmill.retraining import News
from gristmill.runs import Runs


class Known(NamedTuple):
    """Ingested data, and how it differs from the champion's."""

    ingest: Reference
    news: News


def last_known(pipeline: Pipeline, runs: Runs, champion: Version | None) -> Known | None:
    """Return the data that the last retraining by today's settings judged; the champion's where that is newer."""
    judged = runs.last_judged(pipeline)
    if judged and judged.retraining and not (champion and champion.made > judged.started):
        return Known(judged.references["ingest"], judged.retraining.news)
    return Known(champion.references["ingest"], News(later=0)) if champion else None
