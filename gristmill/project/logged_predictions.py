"""The log of a pipeline's predictions: what is logged, and which columns identify a row."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from gristmill import keys
from gristmill.config.catalogue import Pipeline, restore_settings
from gristmill.config.domains import domain_of
from gristmill.errors import RequestError
from gristmill.monitoring.live_rows import as_ids
from gristmill.monitoring.prediction_columns import ID, PREDICTED
from gristmill.monitoring.prediction_log import PredictionLog
from gristmill.registry.version import Version
from gristmill.runs.records import Record
from gristmill.settings.domain import Monitored
from gristmill.settings.schedule import parse_duration
from gristmill.store.store import Store
from gristmill.util.files import files_below

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def open_log(store: Store, pipeline: Pipeline) -> PredictionLog:
    """Return the log of a pipeline's predictions; raise `RequestError` if they are not logged."""
    if pipeline.monitor is None:
        remedy = f"Add a table [pipelines.{pipeline.name}.monitor]."
        if domain_of(pipeline.domain).monitored is None:
            remedy = f"Pipelines of the domain {pipeline.domain} have no log."
        raise RequestError(f"the predictions of pipeline {pipeline.name!r} are not logged. {remedy}")
    return PredictionLog(store, pipeline.name, parse_duration(pipeline.monitor.keep))


def log_answer(
    store: Store,
    pipeline: Pipeline,
    served: Version | Record,
    answer: "pd.DataFrame",
    paths: tuple[Path, ...] = (),
    ingested: Path | None = None,
    text: str | None = None,
) -> None:
    """Log a prediction that was made from files, from the folder of ingested data, or from one text.

    Raises:
        StoreError: it cannot be written, so it must not be answered.
    """
    # Find the column that identifies the rows.
    column = next((name for name in id_columns(pipeline) if name in answer), None)
    if ingested and pipeline.monitor and pipeline.monitor.id and not column:
        logger.warning(
            "%s: these predictions are not logged, because ingested data has no column %r (monitor.id). Predict from "
            "a file that has it: --input FILE.",
            *(pipeline.name, pipeline.monitor.id),
        )
        return

    # Name the predictions as their truth, and add them to the log.
    ingest = restore_settings(served.domain, served.settings)["ingest"]  # logs of other targets stay apart
    if target := monitored_by(pipeline).monitoring.load().truth_column(ingest):
        answer = answer.rename(columns={PREDICTED: target}).assign(**{ID: as_ids(answer[column]) if column else None})
    files = paths or (files_below(ingested) if ingested else ())
    inputs = keys.digest_of([text] if text is not None else [keys.digest_of_file(file) for file in files])
    run, version = (served.run, served.number) if isinstance(served, Version) else (served.id, None)
    open_log(store, pipeline).add(answer, run, version, inputs)


def id_columns(pipeline: Pipeline) -> list[str]:
    """Return the columns that may identify a predicted row, the first choice first."""
    own = [pipeline.monitor.id] if pipeline.monitor and pipeline.monitor.id else []
    return [*own, *monitored_by(pipeline).id_columns]


def monitored_by(pipeline: Pipeline) -> Monitored:
    """Return how predictions of a pipeline are compared with their truth; raise `RequestError` if they are not."""
    monitored = domain_of(pipeline.domain).monitored
    if monitored is None:
        raise RequestError(f"pipelines of the domain {pipeline.domain} have no log of predictions.")
    return monitored
