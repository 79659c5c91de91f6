"""Checks of ingested data: rows that the source lost since the last good run, and the age of the newest data."""

import logging
import os
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.domains import domain_of
from gristmill.errors import CorruptArtifact, DataError, StoreError
from gristmill.registry.version import CLEANING
from gristmill.retraining.known_data import good_runs, locate_source
from gristmill.runs.identity import digests_of
from gristmill.runs.records import Runs
from gristmill.settings.schedule import parse_duration
from gristmill.store.artifact import Reference

logger = logging.getLogger(__name__)

_MAX_AHEAD = timedelta(days=1)  # of times without a time zone, which may be local


def check_lost_rows(catalogue: Catalogue, pipeline: Pipeline, ingested: Reference | Path) -> None:
    """Compare ingested data, an artifact or a folder, with that of the last good run. Equal files are not read.

    Raises:
        DataError: more rows are missing than `ingest.max_lost` allows.
    """
    # Find the data of the last good run; there is nothing to compare if files or data are equal.
    store, runs = catalogue.store, Runs(catalogue.store)
    runs.pull(pipeline.name)
    last = next(good_runs(pipeline.name, pipeline.values(), runs), None)
    table: Any = pipeline.tables["ingest"]
    if last is None or table.max_lost == 1:
        return
    known = last.references["ingest"]
    if not isinstance(ingested, Path):
        if known["digest"] == ingested["digest"]:
            return
        ingested = store.open_verified(ingested, by_stat=True).path
    try:
        source = locate_source(catalogue, pipeline)
        if store.read_manifest(known)["made_of"]["inputs"] == digests_of(source, store):
            return
        before = store.open_verified(known, by_stat=True).path
    except (CorruptArtifact, StoreError) as error:
        logger.warning("%s Rows that are missing since run %s are not counted.", error, last.id)
        return
    # Count the rows that are missing, and say where they were.
    lost = domain_of(pipeline.domain).retraining.load().missing_rows(ingested, before)
    if lost.count > table.max_lost * lost.known:
        files = [file for name, located in source.items() if name != CLEANING for file in located.files]
        place = f"[pipelines.{pipeline.name}.source]"
        if files:
            place = str(files[0]) if len(files) == 1 else f"{os.path.commonpath(files)} ({len(files)} files)"
        allowed = f"ingest.max_lost = {table.max_lost:g} allows {int(table.max_lost * lost.known):,}"
        reason = f"because {lost.cause}" if lost.cause else f"the first: {lost.first}"
        raise DataError(
            f"{place}: {lost.count:,} of the {lost.known:,} {lost.what} that run {last.id} read are missing, "
            f"{reason}. {allowed}. {lost.remedy}, accept this loss with --set ingest.max_lost=1, "
            f"or set max_lost in [pipelines.{pipeline.name}.ingest]."
        )


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
    limit, folder = pipeline.freshness.max_age_of_data, catalogue.store.open_verified(ingested, by_stat=True).path
    newest = domain_of(pipeline.domain).retraining.load().newest_time(folder, pipeline.tables["ingest"])
    if newest is None:
        runs = good_runs(pipeline.name, pipeline.values(), Runs(catalogue.store))
        same = takewhile(lambda run: run.references["ingest"]["digest"] == ingested["digest"], runs)
        newest = min((run.started for run in same), default=datetime.now(UTC))
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
