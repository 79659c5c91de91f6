"""Known data of a pipeline: read by a run, judged by a retraining, or in the champion's training set."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gristmill.config.catalogue import Pipeline
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import DataChanges
from gristmill.store.artifact import Reference


class JudgedData(NamedTuple):
    """Ingested data, and how it differs from the champion's."""

    ingest: Reference
    news: DataChanges


def last_judged_data(pipeline: Pipeline, runs: Runs, registry: Registry, champion: Version | None) -> JudgedData | None:
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
        return JudgedData(judged.references["ingest"], judged.retraining.news)
    return JudgedData(champion.references["ingest"], DataChanges(later=0)) if champion else None


def good_runs(name: str, settings: Mapping[str, Any], runs: Runs) -> Iterator[Record]:
    """Yield the successful runs of a pipeline that ingested the same data set as its settings ask for, newest first.

    Another source or another table `ingest` is another data set; `max_lost` changes no data.

    Args:
        name: of the pipeline.
        settings: by table.
        runs: the records.
    """
    for record in runs.newest_first(name):
        if record.outcome == "succeeded" and "ingest" in record.stages and same_data(record.settings, settings):
            yield record


def same_data(settings: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether two pipelines' settings ask for the same data set."""
    return _of_data(settings) == _of_data(others)


def _of_data(settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    return settings["source"], {key: value for key, value in settings["ingest"].items() if key != "max_lost"}
