"""Known data of a pipeline: data that a run read, that a retraining judged, or that trained the champion."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gristmill.config.catalogue import Pipeline
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import LIMITS_OF_INGEST, DataChanges
from gristmill.store.artifact import Reference


class JudgedData(NamedTuple):
    """Ingested data, and how it differs from the champion's."""

    ingest: Reference
    news: DataChanges


def last_judged_data(pipeline: Pipeline, runs: Runs, registry: Registry, champion: Version | None) -> JudgedData | None:
    """Return the data judged by the last retraining with the current settings, or the champion's data.

    The champion's data is returned if it is newer, or if the champion replaces a damaged version, for which data must
    be judged again. `champion` is the newest undamaged one.
    """
    judged, promoted = runs.last_judged(pipeline), registry.promoted(pipeline.name)
    newer = champion is not None and (judged is None or champion.made > judged.started)
    replaces_damaged = champion is not None and promoted != champion.number
    if judged and judged.retraining and not newer and not replaces_damaged:
        return JudgedData(judged.references["ingest"], judged.retraining.news)
    return JudgedData(champion.references["ingest"], DataChanges(later=0)) if champion else None


def good_runs(name: str, settings: Mapping[str, Any], runs: Runs) -> Iterator[Record]:
    """Yield the successful runs of a pipeline that ingested the data set of some settings, newest first."""
    for record in runs.newest_first(name):
        if record.outcome == "succeeded" and "ingest" in record.stages and same_data(record.settings, settings):
            yield record


def same_data(settings: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Return whether settings describe the same data set: equal `source` and `ingest`, up to limits."""

    def data(of: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        return of["source"], {key: value for key, value in of["ingest"].items() if key not in LIMITS_OF_INGEST}

    return data(settings) == data(others)
