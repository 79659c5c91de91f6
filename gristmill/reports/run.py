"""The report on a run: what its domain shows, then its settings, what it took and where it came from."""

import importlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gristmill.reports.page import page_name, page_path, render_page
from gristmill.reports.sections import Section, Table
from gristmill.runs.records import Record
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store


def write_report(record: Record, description: str, store: Store) -> Path:
    """Render a run's report and return its path: `reports/<pipeline>.html` in the store.

    Raises:
        CorruptArtifact: an artifact of the run is gone or altered.
    """
    artifacts = {name: store.open_verified(reference) for name, reference in record.references.items()}
    sections = importlib.import_module(f"gristmill.domains.{record.domain}.report").sections
    content = [
        *sections({name: artifact.path for name, artifact in artifacts.items()}),
        *common_sections(record, artifacts),
    ]
    path = report_path(store, record.pipeline, record.trial)
    return render_page(store, path.stem, record.pipeline, description, run_facts(record), content)


def report_path(store: Store, pipeline: str, trial: bool = False) -> Path:
    """Return where the report on a pipeline's run lies, or would; or that on a trial with other settings."""
    return page_path(store, page_name(pipeline, "trial") if trial else pipeline)


def run_facts(record: Record) -> dict[str, str]:
    """Return what is told of a run at the top of its page."""
    facts = {
        "run": record.id,
        "domain": record.domain,
        "outcome": record.outcome,
        "took": f"{record.seconds:.1f} s",
        "with": ", ".join(record.overrides),
    }
    return {name: fact for name, fact in facts.items() if fact}


def common_sections(record: Record, artifacts: Mapping[str, Artifact]) -> list[Section]:
    """Return what every domain's report ends with."""
    settings = [
        [f"{table}.{key}", _text(value)] for table, values in record.settings.items() for key, value in values.items()
    ]
    timings = [
        _timing(record, {label: artifacts[label] for label in labels}) for labels in _by_stage(artifacts).values()
    ]
    lineage = [
        [
            label,
            artifact.reference["key"][:12],
            artifact.reference["digest"][:12],
            f"{datetime.fromisoformat(artifact.manifest['created']):%Y-%m-%d %H:%M}",
            _inputs(artifact, artifacts),
        ]
        for label, artifact in artifacts.items()
    ]
    timed = ["stage", "this run", "s in this run", "s when made", "peak MiB", "KiB stored"]
    traced = ["stage", "key", "digest", "made, UTC", "from"]
    return [
        Section("Settings", tables=[Table("", ["setting", "value"], settings, words=True)]),
        Section("Time and size", tables=[Table("", timed, timings)]),
        Section("Lineage", _versions(record), tables=[Table("", traced, lineage, words=True)]),
    ]


def _by_stage(labels: Iterable[str]) -> dict[str, list[str]]:
    """Return the labels of each stage: several of one that fans out."""
    found: dict[str, list[str]] = {}
    for label in labels:
        found.setdefault(label.split()[0], []).append(label)
    return found


def _several(labels: Iterable[str]) -> list[str]:
    """Return the name of each stage, and how often it is there where that is more than once: `backtest x12`."""
    return [name if len(points) == 1 else f"{name} x{len(points)}" for name, points in _by_stage(labels).items()]


def _timing(record: Record, points: Mapping[str, Artifact]) -> list[str]:
    """Return what a stage took, all points of one that fans out together."""
    (name,) = _several(points)
    made = sum(not record.stages[label].cached for label in points)
    measures = [artifact.manifest["measures"] for artifact in points.values()]
    return [
        name,
        "fresh" if not made else "made" if made == len(points) else f"{made} made",
        f"{sum(record.stages[label].seconds for label in points):.1f}",
        f"{sum(measured['seconds'] for measured in measures):.1f}",
        f"{max(measured['peak_memory_mib'] for measured in measures):,.0f}",
        f"{sum(artifact.bytes for artifact in points.values()) / 1024:,.0f}",
    ]


def _inputs(artifact: Artifact, artifacts: Mapping[str, Artifact]) -> str:
    """Return what an artifact was made from: stages of the run, whose digests stand beside them, and other data."""
    digests = artifact.manifest["made_of"]["inputs"]
    others = [f"{name} {digest[:12]}" for name, digest in digests.items() if name not in artifacts]
    return ", ".join([*_several(name for name in digests if name in artifacts), *others])


def _versions(record: Record) -> str:
    return "Made with " + ", ".join(f"{name} {version}" for name, version in record.versions.items()) + "."


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else str(value)
