"""The source that a pipeline is predicted from without --input, or the data of its last good run."""

import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.stages import Stage
from gristmill.errors import CorruptArtifact, DataError, RequestError, StoreError
from gristmill.registry.version import Version
from gristmill.retraining.last_judged import good_runs, same_data
from gristmill.runs import plan
from gristmill.runs.locations import Located
from gristmill.runs.records import Record, Runs
from gristmill.settings.base import Settings
from gristmill.store.store import Store

logger = logging.getLogger(__name__)


def with_ingest_of(pipeline: Pipeline, served: Version | Record, ingest: Settings) -> Pipeline:
    """Return a pipeline as one that reads today's source as the served model's run read its own.

    Args:
        pipeline: with its settings of today.
        served: what predicts.
        ingest: the table of its run; how many rows may be missing is said by today's.
    """
    today: Any = pipeline.tables["ingest"]
    table = ingest.model_copy(update={"max_lost": today.max_lost})
    return replace(pipeline, domain=served.domain, tables={**pipeline.tables, "ingest": table})


def locate_source(catalogue: Catalogue, pipeline: Pipeline) -> dict[str, Located]:
    """Return where the data of a pipeline's source lies.

    Raises:
        DataError: it is not there.
    """
    return plan.locate_inputs(catalogue, pipeline, Stage("ingest", ("source",), (), ()))


def source_files(catalogue: Catalogue, pipeline: Pipeline, suffixes: tuple[str, ...] | None) -> tuple[Path, ...]:
    """Return the files of a pipeline's source, fetched; `suffixes` are those of single items, where it has others.

    Raises:
        DataError: one is not there or cannot be read.
        RequestError: they are no single items.
    """
    from gristmill.runs.downloads import fetch  # late: runs with nothing to do fetch nothing

    data = locate_source(catalogue, pipeline)
    fetch(data.values(), catalogue.store)
    plan.digests_of(data, catalogue.store)
    files = tuple(file for found in data.values() for file in found.files)
    if suffixes and not all(file.name.lower().endswith(suffixes) for file in files):
        raise RequestError(
            f"[pipelines.{pipeline.name}.source] is not made of single files to predict from. Give --input FILE|FOLDER."
        )
    return files


def last_good_data(store: Store, pipeline: Pipeline, served: Version | Record, broken: DataError) -> Path:
    """Return the folder of the newest data of a source that cannot be used now, and warn.

    Args:
        store: of the project.
        pipeline: that reads the source (`with_ingest_of`).
        served: what predicts.
        broken: why the source cannot be used.

    Raises:
        DataError: there is none.
    """
    runs, settings = Runs(store), pipeline.values()
    runs.pull(pipeline.name)
    known = [
        (record.id, record.started, record.references["ingest"]) for record in good_runs(pipeline.name, settings, runs)
    ]
    if isinstance(served, Version) and same_data(served.settings, settings):  # the record of its run may be gone
        known.append((served.run, served.made, served.references["ingest"]))
    for run, day, reference in known:
        with suppress(CorruptArtifact, StoreError):  # gone or damaged: an older one can do
            folder = store.open_verified(reference).path
            logger.warning("%s Predicting from the data that run %s read on %s.", broken, run, f"{day:%Y-%m-%d}")
            return folder
    raise broken
