"""The page of all pipelines: how each stands, its scores over time, the last retrainings, what it has stored."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gristmill.config.catalogue import Pipeline
from gristmill.config.stages import STAGES
from gristmill.course import page
from gristmill.errors import CorruptArtifact
from gristmill.project.project import Project
from gristmill.project.status import Status
from gristmill.reports.page import INDEX, link_to, page_name, page_path, render_page
from gristmill.reports.scores import headline_pair
from gristmill.reports.sections import Section, Table
from gristmill.reports.sparkline import RunScore, sparkline
from gristmill.runs.records import Record
from gristmill.settings.messages import MISSING
from gristmill.store.artifact import read_artifact
from gristmill.store.store import Store

TITLE = "All pipelines"

_ABOUT = "How every pipeline stands. Times are UTC."
_DECISIONS = 5  # retrainings of a pipeline that are listed
_BESIDE = ("retraining", "sweep", "trial")  # a pipeline's pages beside its report


@dataclass(frozen=True)
class PipelineSummary:
    """A pipeline: how it stands, and its runs without the trials of sweeps, newest first."""

    status: Status
    pipeline: Pipeline
    records: list[Record]

    @property
    def name(self) -> str:
        """The pipeline's."""
        return self.status.name

    @property
    def made(self) -> list[Record]:
        """The successful runs of its own settings that made a model to serve, newest first."""
        succeeded = (record for record in self.records if record.outcome == "succeeded" and record.made_model)
        return [record for record in succeeded if record.is_own(self.pipeline)]


def write_index(project: Project) -> Path:
    """Render the page of all pipelines and return its path: `reports/_index.html` in the store."""
    entries = [
        PipelineSummary(
            status,
            project.catalogue.pipeline(status.name),
            [record for record in project.runs.newest_first(status.name) if not record.trial],
        )
        for status in project.status()
    ]
    states = Counter(str(entry.status.state) for entry in entries)
    facts = {
        "pipelines": f"{len(entries)}",
        **{state: f"{count}" for state, count in states.items()},
        "as of": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    }
    if page_path(project.store, page.PAGE).exists():
        facts["see"] = link_to(project.store, page.PAGE, "the course")
    return render_page(project.store, INDEX, TITLE, _ABOUT, facts, _sections(project, entries))


def history(project: Project, entry: PipelineSummary) -> list[RunScore]:
    """Return what a pipeline's runs scored, oldest first: of those that made something, by the metric of the last.

    Runs whose artifacts were collected are there where they are a version, which keeps its scores.
    """
    kept = {version.run: version.evaluated.headline for version in project.registry.versions(entry.name)}
    told = [
        (record.started, project.headline(record) or kept.get(record.id))
        for record in reversed(entry.made)
        if not all(stage.cached for stage in record.stages.values())
    ]
    scores = [(when, headline) for when, headline in told if headline]
    return [
        RunScore(when, headline.model, headline.baseline)
        for when, headline in scores
        if headline.metric == scores[-1][1].metric
    ]


def sizes(record: Record, store: Store) -> Counter[str]:
    """Return the bytes of a run's artifacts by stage; those that are gone take none."""
    found: Counter[str] = Counter()
    for reference in record.references.values():
        stage, key = reference["stage"], reference["key"]
        path = store.path(stage, key)
        with suppress(CorruptArtifact):  # collected or damaged: `verify` tells
            found[stage] += read_artifact(path, stage, key).bytes
    return found


def _sections(project: Project, entries: Sequence[PipelineSummary]) -> Iterator[Section]:
    run = [entry for entry in entries if entry.records]
    idle = [entry for entry in entries if not entry.records]
    if run:
        yield _standing(project, run)
    if any(record.retraining for entry in run for record in entry.records):
        yield _retrainings(project.store, run)
    if any(entry.made for entry in run):
        yield _stored(project.store, run)
    if idle:
        yield _idle(project.store, idle)


def _standing(project: Project, entries: Sequence[PipelineSummary]) -> Section:
    rows = []
    for entry in entries:
        status, points, last = entry.status, history(project, entry), entry.records[0]
        headline = status.headline
        rows.append(
            [
                _named(project.store, entry.name),
                status.domain,
                status.state,
                f"v{status.champion}" if status.champion else "–",
                *(headline_pair(headline) if headline else (MISSING, MISSING)),
                sparkline(headline.metric, points) if headline and points else "",
                f"{last.started:%Y-%m-%d %H:%M}" + ("" if last.outcome == "succeeded" else f", {last.outcome}"),
            ]
        )
    note = (
        "Scores are test scores of the last successful run of the pipeline's own settings. The small charts show one "
        "dot for each of these runs that made something, over time; the dashed line is the best baseline of each. Runs "
        "that tried other settings with --set are listed by gristmill runs NAME. A name links to its report if that "
        "was rendered with gristmill report NAME."
    )
    headings = ["pipeline", "domain", "state", "champion", "score", "best baseline", "scores over time", "last run"]
    return Section("Run so far", note, tables=[Table("", headings, rows, words=True)])


def _retrainings(store: Store, entries: Sequence[PipelineSummary]) -> Section:
    rows = [
        [
            link_to(store, page_name(entry.name, "retraining"), entry.name),
            f"{record.started:%Y-%m-%d %H:%M}",
            found.verdict or record.outcome,
            f"v{found.version}" if found.version else "",
            found.why or record.error or "",
        ]
        for entry in entries
        for record in _decisive(entry.records)
        if (found := record.retraining)
    ]
    note = f"The last {_DECISIONS} of each pipeline, without those that found nothing new before the last."
    headings = ["pipeline", "when", "verdict", "version", "why"]
    return Section("Retrainings", note, tables=[Table("", headings, rows, words=True)])


def _decisive(records: Sequence[Record]) -> list[Record]:
    """Return the last retrainings, newest first; of those that found nothing new only one that is the very last."""
    retrainings = [record for record in records if record.retraining]
    return [
        record
        for at, record in enumerate(retrainings)
        if at == 0 or (record.retraining and record.retraining.verdict != "nothing new")
    ][:_DECISIONS]


def _stored(store: Store, entries: Sequence[PipelineSummary]) -> Section:
    taken = {entry.name: sizes(entry.made[0], store) for entry in entries if entry.made}
    names = dict.fromkeys(stage.name for stages in STAGES.values() for stage in stages)
    shown = [name for name in names if any(name in by_stage for by_stage in taken.values())]
    rows = [
        [pipeline, *(_mib(by_stage[name]) if name in by_stage else "" for name in shown), _mib(by_stage.total())]
        for pipeline, by_stage in taken.items()
    ]
    note = "Size of these runs' artifacts in MiB. Pipelines that share a stage's result share its bytes."
    return Section("Stored", note, tables=[Table("", ["pipeline", *shown, "all"], rows)])


def _idle(store: Store, entries: Sequence[PipelineSummary]) -> Section:
    rows = [
        [
            _named(store, entry.name),
            entry.status.domain,
            entry.status.description,
            "no data" if entry.status.state == "no data" else "",
        ]
        for entry in entries
    ]
    return Section("Never run", tables=[Table("", ["pipeline", "domain", "about", ""], rows, words=True)])


def _named(store: Store, pipeline: str) -> str:
    """Return a pipeline's name, linked to its report, and links to its other pages, as far as they were rendered."""
    from markupsafe import Markup  # with Jinja, late

    pages = {what: page_name(pipeline, what) for what in _BESIDE}
    others = [link_to(store, name, what) for what, name in pages.items() if page_path(store, name).exists()]
    name = link_to(store, pipeline, pipeline)
    return Markup("{} ({})").format(name, Markup(", ").join(others)) if others else name


def _mib(size: int) -> str:
    return f"{size / 2**20:,.2f}"
