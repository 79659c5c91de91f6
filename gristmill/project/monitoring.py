"""Monitoring of a pipeline: add the truth of its logged predictions, and compare both.

Commands import this module late, because it loads pandas.
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.config.catalogue import Pipeline, restore_settings
from gristmill.errors import DataError, GristmillError, RequestError, count_of, short_repr
from gristmill.monitoring.live_rows import Monitoring, NothingComparable, as_ids, score_table, served_scores
from gristmill.monitoring.prediction_columns import ANSWERED, ID, TRUTH
from gristmill.project.logged_predictions import id_columns, monitored_by, open_log
from gristmill.project.predictor import reader_of
from gristmill.project.serving import Models
from gristmill.registry.version import Version
from gristmill.retraining.known_data import good_runs
from gristmill.runs.retraining_record import Champion
from gristmill.scores import Scores
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet

logger = logging.getLogger(__name__)


def add_truth(models: Models, name: str, place: Path) -> int:
    """Add the truth of predicted rows from a file with their ids and the target; return the number of rows.

    Raises:
        DataError: the file cannot be read, has no id of a predicted row, or different values of one id.
        RequestError: the pipeline's truth does not come from a file.
    """
    pipeline = models.catalogue.pipeline(name)
    log = open_log(models.store, pipeline)
    logged = log.read()
    truth = _read_truth(pipeline, place, set(map(str, logged)))
    known = truth[ID].isin(set(logged[ID].dropna()) if ID in logged else ())
    if unknown := truth.loc[~known, ID].tolist():
        counts = f"{len(unknown):,} of {len(truth):,} ids were never predicted"
        message = f"{place}: {counts}, the first: {short_repr(unknown[0])}."
        if not known.any():
            raise DataError(f"{message} Pass ids that gristmill predict printed.")
        logger.warning("%s These rows are left out.", message)
    # Different values of one id contradict each other within a file; a later file corrects an earlier one.
    values = truth[known].drop_duplicates()
    if (twice := values[ID].duplicated()).any():
        raise DataError(
            f"{place}: different values of the id {short_repr(values.loc[twice, ID].iloc[0])} "
            f"({count_of(twice.sum(), 'such rows')}). Keep one row for each id."
        )
    both = values.merge(log.truth(), on=ID, suffixes=("", " before"))
    if (changed := both[TRUTH] != both[f"{TRUTH} before"]).any():
        first, count = short_repr(both.loc[changed, ID].iloc[0]), count_of(changed.sum(), "values")
        logger.warning("%s: %s replaced earlier truth; the first has the id %s.", place, count, first)
    log.add_truth(values.reset_index(drop=True))
    return len(values)


def _read_truth(pipeline: Pipeline, place: Path, logged: set[str]) -> pd.DataFrame:
    """Return the ids and the truth in a file, a class as text and a number as a number.

    The ids are in a column that logged predictions have too.
    """
    # Check that the pipeline's truth comes from a file, whose rows can be identified.
    name, source = pipeline.name, pipeline.tables["source"]
    target = monitored_by(pipeline).monitoring.load().truth_column(pipeline.tables["ingest"])
    if target is None:
        raise RequestError(
            f"{name}: the truth of a {pipeline.domain} pipeline arrives with its data. Run: gristmill run {name}."
        )
    ids = id_columns(pipeline)
    if not ids:
        raise RequestError(
            f"{name}: no column identifies its rows. Set id in the table [pipelines.{name}.monitor]; rows that are "
            "predicted from then on can be compared with a truth."
        )
    if not logged:
        raise _nothing_logged(name)
    if not place.is_file():
        raise RequestError(f"--file {place}: no such file. Expected a .csv, .jsonl or .parquet file.")

    # Read the columns of the ids and of the target.
    reads_tables = isinstance(source, Csv | Jsonl | Parquet)
    like = source.model_copy(update={"prepare": None}) if reads_tables else Csv(kind="csv", path="truth.csv")
    reader: Any = reader_of(str(place), like, name)
    column = next((name for name in ids if name in logged), ids[0])
    is_number = getattr(pipeline.tables["ingest"], "task", None) == "regression"
    frame = reader.read((place,), [column, *([] if is_number else [target])], [target] if is_number else []).frame
    values = frame[target] if is_number else as_ids(frame[target])
    truth = pd.DataFrame({ID: as_ids(frame[column]), TRUTH: values}).dropna()
    if truth.empty:
        raise DataError(f"{place}: no row has values in both columns, {column!r} and {target!r}. Fill them.")
    return truth


def monitor(models: Models, name: str) -> Monitoring:
    """Compare a pipeline's logged predictions with the truth that is known by now.

    Raises:
        RequestError: no prediction is logged.
        CorruptArtifact: an artifact of the model that serves is deleted or damaged.
    """
    open_log(models.store, models.catalogue.pipeline(name)).roll()
    monitoring = _compare(models, name)
    if monitoring is None:
        raise _nothing_logged(name)
    return monitoring


def _nothing_logged(name: str) -> RequestError:
    return RequestError(f"no prediction of pipeline {name!r} is logged yet. Run: gristmill predict {name}.")


def error_alarm(models: Models, name: str, ingested: Path) -> str | None:
    """Return the alarm about the errors of logged predictions, None if there is none; `ingested` is the newest data.

    A fault of the log is a warning, because a retraining does not need the log.
    """
    try:
        monitoring = _compare(models, name, ingested)
    except NothingComparable:
        return None
    except GristmillError as fault:
        logger.warning("%s: its logged predictions are not checked for errors: %s", name, fault)
        return None
    errors = monitoring.drift.errors if monitoring else None
    return f"logged predictions: {errors}" if errors and errors.alarm else None


def _compare(models: Models, name: str, ingested: Path | None = None) -> Monitoring | None:
    """Return scores and drift of a pipeline's logged predictions; None if there are none."""
    pipeline = models.catalogue.pipeline(name)
    log = open_log(models.store, pipeline)
    logged = log.read()
    if logged.empty:
        return None

    # Collect the artifacts of the model that serves, and the truth that is known by now.
    served, export = models.served(name)
    stages = ("ingest", "preprocess", "evaluate")
    folders = {stage: models.store.open_verified(served.references[stage], by_stat=True).path for stage in stages}
    champion = Champion(folders | {"export": export}, restore_settings(served.domain, served.settings))
    run, model = (served.run, f"v{served.number}") if isinstance(served, Version) else (served.id, f"run {served.id}")
    monitoring = monitored_by(pipeline).monitoring.load()
    by_file = monitoring.truth_column(pipeline.tables["ingest"]) is not None
    truth: Any = log.truth() if by_file else ingested
    if truth is None:  # use the newest data that was ingested from the source, or the served model's
        models.runs.pull(name)
        newest = next(good_runs(name, pipeline.values(), models.store), served)
        truth = models.store.open_verified(newest.references["ingest"], by_stat=True).path

    # Score them.
    live = monitoring.live_rows(logged, truth, champion, run)
    scores = Scores.read(folders["evaluate"])
    first = logged[ANSWERED].iloc[0].to_pydatetime()
    metric = live.metric or scores.metric
    tables = score_table(live, metric), served_scores(live, metric, run, model)
    return Monitoring(name, first, *tables, scores, live.drift, metric)
