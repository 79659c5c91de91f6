"""Data of versions, which is kept as long as a version refers to it: open it, and compare that of two versions."""

from typing import TYPE_CHECKING

from gristmill.config.tables import domain_module
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.registry.version import Version
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


def open_data(version: Version, store: Store) -> Artifact:
    """Return the ingested data of a version after verifying it.

    Raises:
        RequestError: it was removed or is damaged.
    """
    try:
        return store.open_verified(version.references["ingest"])
    except CorruptArtifact as damage:
        raise RequestError(
            f"{damage} Without this data, version {version.number} of {version.pipeline} can be neither trained again "
            "nor compared. Choose another version."
        ) from None


def diff_versions(version: Version, later: Version, store: Store) -> "pd.DataFrame":
    """Return the rows that differ between the data of two versions, and in `attrs` what `example_diff.diff_rows` adds.

    Raises:
        RequestError: the versions are of different domains, or their data is not available.
    """
    if version.domain != later.domain:
        raise RequestError(
            f"version {version.number} of {version.pipeline} is a {version.domain} model, and version {later.number} a "
            f"{later.domain} model: their data cannot be compared."
        )
    from gristmill.retraining.example_diff import NOT_COMPARED  # late: it loads pandas

    before, now = (open_data(one, store).path for one in (version, later))
    found: pd.DataFrame = domain_module(later.domain, "retraining").diff(now, before)
    numbers = {"now": later.number, "before": version.number}
    reasons: dict[str, str] = found.attrs[NOT_COMPARED]
    found.attrs[NOT_COMPARED] = {name: reason.format(**numbers) for name, reason in reasons.items()}
    return found
