"""Stop a run whose source has lost rows that the last good run of the pipeline read."""

import importlib
import logging
import os
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.errors import CorruptArtifact, DataError, StoreError
from gristmill.retraining.default_source import locate_source
from gristmill.retraining.last_judged import good_runs
from gristmill.runs import plan
from gristmill.runs.records import Runs
from gristmill.store.artifact import Reference

logger = logging.getLogger(__name__)


def check_lost_rows(catalogue: Catalogue, pipeline: Pipeline, ingested: Reference | Path) -> None:
    """Compare ingested data with that of the last good run; where the files are the same, nothing is read.

    Args:
        catalogue: of the project.
        pipeline: with its settings of today.
        ingested: the data of today, as an artifact or in a folder.

    Raises:
        DataError: more of it is missing than `ingest.max_lost` allows.
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
        if store.read_manifest(known)["made_of"]["inputs"] == plan.digests_of(
            locate_source(catalogue, pipeline), store
        ):
            return
        before = store.open_verified(known, by_stat=True).path
    except (CorruptArtifact, StoreError) as error:
        logger.warning("%s Rows that are missing since run %s are not counted.", error, last.id)
        return
    lost = importlib.import_module(f"gristmill.domains.{pipeline.domain}.retraining").lost(ingested, before)
    if lost.count > table.max_lost * lost.known:
        raise DataError(
            f"{_place(catalogue, pipeline)}: {lost.count:,} of the {lost.known:,} {lost.what} that run {last.id} read "
            f"are missing, the first: {lost.first}. ingest.max_lost = {table.max_lost:g} allows "
            f"{int(table.max_lost * lost.known):,}. Restore them, accept this loss with --set ingest.max_lost=1, or "
            f"set max_lost in [pipelines.{pipeline.name}.ingest]."
        )


def _place(catalogue: Catalogue, pipeline: Pipeline) -> str:
    """Return where the source of a pipeline lies."""
    files = [file for found in locate_source(catalogue, pipeline).values() for file in found.files]
    if len(files) == 1:
        return str(files[0])
    return f"{os.path.commonpath(files)} ({len(files)} files)" if files else f"[pipelines.{pipeline.name}.source]"
