"""Earlier versions: their data, and whether training again from it gives the same weights."""

from typing import TYPE_CHECKING

from pydantic import BaseModel

from gristmill.config.domains import domain_of
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.registry.version import Version, code_digests
from gristmill.runs.records import Record
from gristmill.settings.stage import SELECT
from gristmill.store.artifact import Artifact
from gristmill.store.code_closure import source_name
from gristmill.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_MODEL_STAGES = ("refit", SELECT, "train")  # the first one that a run contains made the exported network


class Reproduction(BaseModel):
    """Whether a version could be reproduced, and everything that differs from its own training."""

    pipeline: str
    version: int
    digest: str  # of the files of the trained model: weights, architecture, and how it learned
    expected: str  # the version's
    other_results: list[str]  # stages that gave another result, in their order
    causes: list[str]  # code and libraries that have changed since

    @property
    def is_same(self) -> bool:
        """Whether the weights are the same, bit for bit."""
        return self.digest == self.expected


def compare_with_version(version: Version, record: Record, store: Store) -> Reproduction:
    """Compare the run that trained a version again, whose artifacts are in `store`, with the version."""
    model = next(stage for stage in _MODEL_STAGES if stage in version.references)
    digests = {label: reference["digest"] for label, reference in record.references.items()}
    expected = {label: reference["digest"] for label, reference in version.references.items()}
    # List the modules and files that changed. An unused module is not listed: the one that used it changed.
    code = code_digests(record, store)
    if version.code.keys() & code.keys():
        causes = [f"code {source_name(name)}" for name in code if code[name] != version.code.get(name)]
    else:  # earlier releases of gristmill did not record modules
        causes = ["code unknown: the version does not record its modules"]
    # List the libraries whose version changed. Prefect runs the stages but changes no result.
    before, now = version.versions, record.versions
    libraries = (name for name in now if name != "prefect" and now[name] != before.get(name))
    causes += [f"{name} {before.get(name, 'not installed')} → {now[name]}" for name in libraries]
    return Reproduction(
        pipeline=version.pipeline,
        version=version.number,
        digest=digests[model],
        expected=expected[model],
        other_results=[label for label in digests if digests[label] != expected.get(label)],
        causes=causes,
    )


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

    before, now = open_data(version, store).path, open_data(later, store).path
    changes = domain_of(later.domain).retraining.load().diff(now, before)
    numbers = {"now": later.number, "before": version.number}
    reasons: dict[str, str] = changes.attrs[NOT_COMPARED]
    changes.attrs[NOT_COMPARED] = {name: reason.format(**numbers) for name, reason in reasons.items()}
    return changes
