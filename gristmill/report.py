"""The report on a run: one HTML file that needs nothing else, rendered from the run record and its artifacts.

A view, never an artifact: it stands outside every key, so changing it makes nothing stale.
"""

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gristmill.artifact import Artifact
from gristmill.files import write_atomically
from gristmill.runs import Record
from gristmill.store import Store, writing


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first column names the row, the others hold figures, or words."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    words: bool = False


@dataclass(frozen=True)
class Passage:
    """A text that is shown as it is, line by line."""

    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """A part of a report: a note, pictures as SVG, tables, passages of text."""

    title: str
    note: str = ""
    pictures: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)


def write_report(record: Record, description: str, store: Store) -> Path:
    """Render a run's report and return its path: `reports/<pipeline>.html` in the store.

    Raises:
        CorruptArtifact: an artifact of the run is gone or altered.
    """
    artifacts = {name: store.open(reference) for name, reference in record.references.items()}
    sections = importlib.import_module(f"gristmill.{record.domain}.report").sections
    content = [
        *sections({name: artifact.path for name, artifact in artifacts.items()}),
        *_common_sections(record, artifacts),
    ]
    path = report_path(store, record.pipeline, record.trial)
    with writing(store.root):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(
            path, render(title=record.pipeline, description=description, facts=facts_of(record), sections=content)
        )
    return path


def report_path(store: Store, pipeline: str, trial: bool = False) -> Path:
    """Return where the report on a pipeline's run lies, or would; or that on a trial with other settings."""
    return store.root / "reports" / f"{pipeline}{'-trial' if trial else ''}.html"


def facts_of(record: Record) -> dict[str, str]:
    """Return what is told of a run at the top of its page."""
    facts = {
        "run": record.id,
        "domain": record.domain,
        "outcome": record.outcome,
        "took": f"{record.seconds:.1f} s",
        "with": ", ".join(record.overrides),
    }
    return {name: fact for name, fact in facts.items() if fact}


def render(**values: Any) -> str:
    """Return a page: its title, what it is about (description), facts by name, sections."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gristmill"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(**values)


def _common_sections(record: Record, artifacts: dict[str, Artifact]) -> list[Section]:
    """Return what every domain's report ends with."""
    stages = list(artifacts)
    settings = [
        [f"{table}.{key}", _text(value)] for table, values in record.settings.items() for key, value in values.items()
    ]
    timings = [
        [
            name,
            "fresh" if record.stages[name].cached else "made",
            f"{record.stages[name].seconds:.1f}",
            f"{artifacts[name].manifest['measures']['seconds']:.1f}",
            f"{artifacts[name].manifest['measures']['peak_memory_mib']:,.0f}",
            f"{artifacts[name].bytes / 1024:,.0f}",
        ]
        for name in stages
    ]
    lineage = [
        [
            name,
            artifacts[name].reference["key"][:12],
            artifacts[name].reference["digest"][:12],
            artifacts[name].manifest["created"],
            _inputs(artifacts[name]),
        ]
        for name in stages
    ]
    return [
        Section("Settings", "", tables=[Table("", ["setting", "value"], settings, words=True)]),
        Section(
            "Time and size",
            "",
            tables=[
                Table("", ["stage", "this run", "s in this run", "s when made", "peak MiB", "KiB stored"], timings)
            ],
        ),
        Section(
            "Lineage",
            _versions(record),
            tables=[Table("", ["stage", "key", "digest", "made", "from"], lineage, words=True)],
        ),
    ]


def _inputs(artifact: Artifact) -> str:
    return ", ".join(f"{name} {digest[:12]}" for name, digest in artifact.manifest["made_of"]["inputs"].items())


def _versions(record: Record) -> str:
    return "Made with " + ", ".join(f"{name} {version}" for name, version in record.versions.items()) + "."


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else str(value)
