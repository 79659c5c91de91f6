"""Link to the report of a deployed run, among its artifacts on Prefect's page; commands render the report anyway."""

import logging
import re

from prefect.artifacts import create_link_artifact

from gristmill.errors import GristmillError
from gristmill.prefect_runtime.api_errors import best_effort
from gristmill.reports.run import write_report
from gristmill.runs.records import Record
from gristmill.store.store import Store

logger = logging.getLogger(__name__)


def link_report(record: Record, description: str, store: Store) -> None:
    """Render the report of a run with new scores, and create a link artifact; an error does not fail the run."""
    evaluated = record.stages.get("evaluate")
    if evaluated is None or evaluated.cached:
        return
    try:
        link = _published_report(record, description, store)
    except (GristmillError, OSError) as error:
        logger.warning("%s The report was not rendered.", error)
        return
    with best_effort():
        create_link_artifact(link, f"report on {record.pipeline}", artifact_key(record.pipeline, "report"), description)


def _published_report(record: Record, description: str, store: Store) -> str:
    """Render a report and return its URL; in a shared store, where all can read it, or else on this machine."""
    path = write_report(record, description, store)
    if not store.remote:
        return path.resolve().as_uri()
    name = f"reports/{path.name}"
    store.remote.bucket.write(name, path.read_bytes())
    return store.remote.bucket.url_of(name)


def artifact_key(pipeline: str, what: str) -> str:
    """Return a key that Prefect accepts: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{pipeline}-{what}".lower()).strip("-")
