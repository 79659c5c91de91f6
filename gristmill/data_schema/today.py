"""Today's data of a pipeline as its ingest takes it, held against its schema where it has one."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.stages import module_of, stages_of
from gristmill.runs import plan
from gristmill.runs.downloads import fetch
from gristmill.runs.locations import fetch_missing
from gristmill.training.keras_backend import import_keras


@dataclass(frozen=True)
class IngestedData:
    """What ingest made of the data."""

    folder: Path
    counts: dict[str, int]


@contextmanager
def ingested_today(catalogue: Catalogue, pipeline: Pipeline) -> Iterator[IngestedData]:
    """Give what a pipeline's ingest makes of the data as it is now: from the store, or made for this block alone.

    Raises:
        DataError: the data is not there, cannot be used, or breaks the schema.
    """
    step, *_ = plan.plan(catalogue, pipeline)
    if step.artifact:
        ingested = catalogue.store.open_verified(step.artifact.reference, by_stat=True)
        yield IngestedData(ingested.path, ingested.counts)
        return
    stage, *_ = stages_of(pipeline.domain, pipeline.tables)
    tables = {name: pipeline.tables[name] for name in stage.tables}
    fetch_missing(tables.values(), catalogue.root)
    data = plan.locate_inputs(catalogue, pipeline, stage)
    fetch(data.values(), catalogue.store)
    if "tensorflow" in stage.libraries:
        import_keras()
    core = importlib.import_module(module_of(pipeline.domain, stage.name))
    paths = tuple(file for located in data.values() for file in located.files)
    with TemporaryDirectory() as folder:
        yield IngestedData(Path(folder), core.ingest(**tables, paths=paths, out=Path(folder)))
