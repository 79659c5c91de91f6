"""Place of a deployed run's report, among its artifacts on Prefect's page; commands render the report anyway."""

import logging
import re
import socket
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact

from gristmill.errors import GristmillError
from gristmill.prefect_runtime.api_errors import best_effort
from gristmill.reports.run import write_report
from gristmill.runs.records import Record
from gristmill.store.remote.remote import Remote
from gristmill.store.store import Store

logger = logging.getLogger(__name__)


def link_report(record: Record, description: str, store: Store) -> None:
    """Render the report of a run with new scores, and create an artifact that says where it is; log an error.

    A report in a shared store gets a link. One on this machine gets its host and path as text, because browsers do not
    follow links from a server's page to files.
    """
    evaluated = record.stages.get("evaluate")
    if evaluated is None or evaluated.cached:
        return
    try:
        report = write_report(record, description, store)
        link = _shared_url(report, store.remote) if store.remote else None
    except (GristmillError, OSError) as error:
        logger.warning("%s The report was not rendered.", error)
        return
    key, title = artifact_key(record.pipeline, "report"), f"report on {record.pipeline}"
    with best_effort():
        if link:
            create_link_artifact(link, title, key, description)
        else:
            create_markdown_artifact(f"{title} on {socket.gethostname()}: `{report.resolve()}`", key, description)


def _shared_url(report: Path, remote: Remote) -> str:
    """Copy a report to a shared store and return its URL there."""
    name = f"reports/{report.name}"
    remote.bucket.write(name, report.read_bytes())
    return remote.bucket.url_of(name)


def artifact_key(pipeline: str, what: str) -> str:
    """Return a key that Prefect accepts: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{pipeline}-{what}".lower()).strip("-")
