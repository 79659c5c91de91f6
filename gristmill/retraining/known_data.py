"""Known data of a pipeline: what its runs read, what was judged last, and what predictions without --input read."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.errors import CorruptArtifact, DataError, RequestError, StoreError
from gristmill.registry.registry import Registry
from gristmill.registry.version import CLEANING, Version
from gristmill.runs.identity import digests_of, fetch_urls, locate_code, locate_inputs
from gristmill.runs.locations import Located
from gristmill.runs.plan import refresh_urls
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import LIMITS_OF_INGEST, DataChanges, same_data
from gristmill.settings.base import Settings
from gristmill.settings.custom_code import code_of
from gristmill.settings.stage import Stage
from gristmill.store.artifact import Reference
from gristmill.store.store import Store

logger = logging.getLogger(__name__)


class JudgedData(NamedTuple):
    """Ingested data, and how it differs from the champion's."""

    ingest: Reference
    news: DataChanges


def last_judged_data(pipeline: Pipeline, runs: Runs, registry: Registry, champion: Version | None) -> JudgedData | None:
    """Return the data judged by the last retraining with the current settings, or the champion's data.

    The champion's data is returned if it is newer, if a rollback has withdrawn the judged data, or if the champion
    replaces a damaged version, for which data must be judged again. `champion` is the newest undamaged one.
    """
    judged, promoted = runs.last_judged(pipeline), registry.promoted(pipeline.name)
    newer = champion is not None and (judged is None or champion.made > judged.started)
    replaces_damaged = champion is not None and promoted != champion.number
    is_withdrawn = judged is not None and judged.id in registry.withdrawn(pipeline.name)
    if judged and judged.retraining and not (newer or replaces_damaged or is_withdrawn):
        return JudgedData(judged.references["ingest"], judged.retraining.news)
    return JudgedData(champion.references["ingest"], DataChanges(later=0)) if champion else None


def good_runs(name: str, settings: Mapping[str, Any], store: Store) -> Iterator[Record]:
    """Yield the successful runs of a pipeline that ingested the data set of some settings, newest first.

    Trials of a sweep and runs whose data a rollback has withdrawn are left out.
    """
    withdrawn = Registry(store).withdrawn(name)
    for record in Runs(store).newest_first(name):
        ingested = record.outcome == "succeeded" and not record.trial and "ingest" in record.stages
        if ingested and record.id not in withdrawn and same_data(record.settings, settings):
            yield record


class KnownData(NamedTuple):
    """Ingested data that was used."""

    run: str  # ID of the run that read it
    read: datetime
    ingest: Reference
    arrivals: Mapping[str, Any]  # the rules for arrivals of that run


def good_data(pipeline: Pipeline, store: Store, served: Version | None) -> Iterator[KnownData]:
    """Yield the data of `good_runs`, newest first, and then of the version that serves: its record may be deleted."""
    settings = pipeline.values()
    for record in good_runs(pipeline.name, settings, store):
        rules = record.settings.get("arrivals", {})
        yield KnownData(record.id, record.started, record.references["ingest"], rules)
    if served and same_data(served.settings, settings):
        rules = served.settings.get("arrivals", {})
        yield KnownData(served.run, served.made, served.references["ingest"], rules)


def with_ingest_of(pipeline: Pipeline, served: Version | Record, ingest: Settings) -> Pipeline:
    """Return a pipeline that reads the current source with the table `ingest` of the served model's run.

    Only the limits on missing and unusable rows have their current values.
    """
    today: Any = pipeline.tables["ingest"]
    limits = {key: getattr(today, key) for key in LIMITS_OF_INGEST if hasattr(today, key)}
    table = ingest.model_copy(update=limits)
    return replace(pipeline, domain=served.domain, tables={**pipeline.tables, "ingest": table})


def refusing_unusable_rows(ingest: Settings) -> Settings:
    """Return the table `ingest` for a file to predict from, in which an unusable row is an error."""
    return ingest.model_copy(update={"quarantine": 0.0}) if hasattr(ingest, "quarantine") else ingest


def locate_source(catalogue: Catalogue, pipeline: Pipeline) -> dict[str, Located]:
    """Return the locations of a pipeline's source.

    Raises:
        DataError: it does not exist.
    """
    source = {"source": pipeline.tables["source"]}
    return locate_inputs(catalogue, pipeline, Stage("ingest", "", ("source",), (), (), settings=source))


def code_files(catalogue: Catalogue, source: Settings, served: Version | Record) -> tuple[Path, ...]:
    """Return the files of the own code that cleans a source, with those that it imports.

    Raises:
        DataError: a file does not exist.
        RequestError: a file has changed since the run of the served model, which would get other data than it expects.
    """
    root, name = catalogue.root, served.pipeline
    code = {f"source.{key}": locate_code(root, own.file, f"the source's {key}") for key, own in code_of(source)}
    for key, digest in digests_of(code, catalogue.store).items():
        if isinstance(served, Version):
            known, model = served.code, f"v{served.number}"
        else:
            known = catalogue.store.read_manifest(served.references["ingest"])["made_of"]["inputs"]
            model = f"run {served.id}"
        if known.get(key) != digest:
            names = " or ".join(str(file.relative_to(root.absolute())) for file in code[key].files)
            raise RequestError(
                f"{names} has changed since {model} of {name} was trained on data that it cleaned. Restore it; "
                f"or run: gristmill run {name}, then: gristmill promote {name}."
            )
    return tuple(file for located in code.values() for file in located.files)


def source_files(catalogue: Catalogue, pipeline: Pipeline, suffixes: tuple[str, ...] | None) -> tuple[Path, ...]:
    """Return a source's files of data, after fetching them. With `suffixes`, each must be a single item.

    Raises:
        DataError: a file does not exist or cannot be read.
        RequestError: the files are not single items.
    """
    refresh_urls(pipeline.tables.values(), catalogue.store)
    data = {name: located for name, located in locate_source(catalogue, pipeline).items() if name != CLEANING}
    fetch_urls(data.values(), catalogue.store)
    digests_of(data, catalogue.store)
    files = tuple(file for located in data.values() for file in located.files)
    if suffixes and not all(file.name.lower().endswith(suffixes) for file in files):
        raise RequestError(
            f"[pipelines.{pipeline.name}.source] is not made of single photos to predict from. Give a photo or a "
            "folder of photos as --input."
        )
    return files


def last_good_data(store: Store, pipeline: Pipeline, served: Version | Record, error: DataError) -> Path:
    """Return the folder of the newest ingested data of a source that cannot be used now, and log a warning.

    The pipeline is that of `with_ingest_of`. The `error` that the source has now is raised if there is no earlier data.
    """
    Runs(store).pull(pipeline.name)
    for known in good_data(pipeline, store, served if isinstance(served, Version) else None):
        with suppress(CorruptArtifact, StoreError):  # deleted or damaged: try the data of an older run
            folder = store.open_verified(known.ingest).path
            logger.warning(
                "%s Predicting from the data that run %s read on %s.", error, known.run, f"{known.read:%Y-%m-%d}"
            )
            return folder
    raise error
