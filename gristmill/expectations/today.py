"""Today's data of a pipeline held against its schema, without keeping anything."""

import importlib
from pathlib import Path
from tempfile import TemporaryDirectory

from gristmill import plan
from gristmill.backend import import_keras
from gristmill.config import Catalogue, Pipeline
from gristmill.domains import module_of, stages_of
from gristmill.downloads import fetch
from gristmill.places import provide
from gristmill.store import Store


def ingest_today(catalogue: Catalogue, pipeline: Pipeline) -> dict[str, int]:
    """Return what a pipeline's ingest counts in the data as it is now: from the store, or by reading the data.

    Raises:
        DataError: it is not there, cannot be used, or breaks the schema.
    """
    ingested, *_ = plan.plan(catalogue, pipeline)
    if ingested.artifact:
        return ingested.artifact.counts
    stage, *_ = stages_of(pipeline.domain, pipeline.tables)
    tables = {name: pipeline.tables[name] for name in stage.tables}
    provide(tables.values(), catalogue.root)
    data = plan.located(catalogue, pipeline, stage)
    fetch(data.values(), Store(catalogue.store))
    if "tensorflow" in stage.libraries:
        import_keras()
    core = importlib.import_module(module_of(pipeline.domain, stage.name))
    paths = tuple(file for located in data.values() for file in located.files)
    with TemporaryDirectory() as folder:
        counts: dict[str, int] = core.ingest(**tables, paths=paths, out=Path(folder))
    return counts
