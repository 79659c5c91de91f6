"""Check for a source that lost rows since the last good run of the pipeline."""

import logging
import os
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.tables import domain_module
from gristmill.errors import CorruptArtifact, DataError, StoreError
from gristmill.registry.version import CLEANING
from gristmill.retraining.default_source import locate_source
from gristmill.retraining.last_judged import good_runs
from gristmill.runs import plan
from gristmill.runs.records import Runs
from gristmill.store.artifact import Reference

logger = logging.getLogger(__name__)


def check_lost_rows(catalogue: Catalogue, pipeline: Pipeline, ingested: Reference | Path) -> None:
    """Compare ingested data, an artifact or a folder, with that of the last good run. Equal files are not read.

    Raises:
        DataError: more rows are missing than `ingest.max_lost` allows.
    """
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
        if store.read_manifest(known)["made_of"]["inputs"] == plan.digests_of(source, store):
            return
        before = store.open_verified(known, by_stat=True).path
    except (CorruptArtifact, StoreError) as error:
        logger.warning("%s Rows that are missing since run %s are not counted.", error, last.id)
        return
    lost = domain_module(pipeline.domain, "retraining").lost(ingested, before)
    if lost.count > table.max_lost * lost.known:
        files = [file for name, found in source.items() if name != CLEANING for file in found.files]
        place = f"[pipelines.{pipeline.name}.source]"
        if files:
            place = str(files[0]) if len(files) == 1 else f"{os.path.commonpath(files)} ({len(files)} files)"
        allowed = f"ingest.max_lost = {table.max_lost:g} allows {int(table.max_lost * lost.known):,}"
        raise DataError(
            f"{place}: {lost.count:,} of the {lost.known:,} {lost.what} that run {last.id} read are missing, "
            f"the first: {lost.first}. {allowed}. Restore them, accept this loss with --set ingest.max_lost=1, "
            f"or set max_lost in [pipelines.{pipeline.name}.ingest]."
        )
