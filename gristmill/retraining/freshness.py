"""Age of a pipeline's newest data, compared with the limit in its table `freshness`."""

import logging
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.retraining.last_judged import good_runs
from gristmill.runs.records import Runs
from gristmill.settings.schedule import parse_duration
from gristmill.store.artifact import Reference
from gristmill.store.store import Store
from gristmill.util.table_io import read_document

logger = logging.getLogger(__name__)

_MAX_AHEAD = timedelta(days=1)  # of times without a time zone, which may be local


def silent_since(catalogue: Catalogue, pipeline: Pipeline, ingested: Reference) -> datetime | None:
    """Return the time of the newest data, and log a warning, if it is older than `max_age_of_data`; otherwise None.

    Data from the future is a warning, too.

    For a time series, this is the time of the last observation; a time without a time zone is taken as UTC. Other data
    has no time: it counts as old as the first of the latest consecutive successful runs that read the same data.

    Raises:
        CorruptArtifact: the ingested data is deleted or damaged.
    """
    if pipeline.freshness is None:
        return None
    limit = pipeline.freshness.max_age_of_data
    newest = _last_observation(catalogue.store, pipeline, ingested) or _first_read(catalogue.store, pipeline, ingested)
    age = datetime.now(UTC) - newest
    if age < -_MAX_AHEAD:
        logger.warning(
            "%s: its newest data is from %s, in the future, so no silence is noticed. Check its times.",
            *(pipeline.name, f"{newest:%Y-%m-%d %H:%M}"),
        )
    if age <= parse_duration(limit):
        return None
    logger.warning(
        "%s: its newest data is from %s, older than %s (freshness.max_age_of_data). Check its source.",
        *(pipeline.name, f"{newest:%Y-%m-%d %H:%M}", limit),
    )
    return newest


def _last_observation(store: Store, pipeline: Pipeline, ingested: Reference) -> datetime | None:
    """Return the last time of a time series; None for numbered observations and other data."""
    if pipeline.domain != "timeseries" or getattr(pipeline.tables["ingest"], "time_format", None) == "integer":
        return None
    summary = read_document(store.open_verified(ingested, by_stat=True).path / "summary.json")
    return datetime.fromisoformat(summary["last"]).replace(tzinfo=UTC)


def _first_read(store: Store, pipeline: Pipeline, ingested: Reference) -> datetime:
    runs = good_runs(pipeline.name, pipeline.values(), Runs(store))
    same = takewhile(lambda run: run.references["ingest"]["digest"] == ingested["digest"], runs)
    return min((run.started for run in same), default=datetime.now(UTC))
