"""The page of all pipelines: status, scores over time, last retrainings, stored bytes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gristmill.config.catalogue import Pipeline
from gristmill.config.domains import DOMAINS, domain_of
from gristmill.errors import CorruptArtifact
from gristmill.project.project import Project
from gristmill.project.status import Status
from gristmill.reports.page import INDEX, link_to, page_name, page_path, render_page
from gristmill.reports.scores import headline_pair
from gristmill.reports.sections import Section, Table
from gristmill.reports.sparkline import ScoredRun, sparkline
from gristmill.runs.records import Record, headline
from gristmill.settings.number_text import MISSING
from gristmill.store.artifact import read_artifact
from gristmill.store.store import Store

TITLE = "All pipelines"

_MAX_RETRAININGS_LISTED = 5  # of each pipeline
_OTHER_PAGES = ("retraining", "monitor", "sweep", "trial", "compare")  # pages of a pipeline other than its report


@dataclass(frozen=True)
class PipelineSummary:
    """A pipeline with its status and its runs except the trials of sweeps, newest first."""

    status: Status
    pipeline: Pipeline
    records: list[Record]

    @property
    def made_models(self) -> list[Record]:
        """The successful runs of its own settings that made a model to serve, newest first."""
        succeeded = (record for record in self.records if record.outcome == "succeeded" and record.made_model)
        return [record for record in succeeded if record.is_own(self.pipeline)]


def write_index(project: Project) -> Path:
    """Render the page of all pipelines as `reports/_index.html` in the store and return its path."""
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
    about = "The status of every pipeline. Times are UTC."
    return render_page(project.store, INDEX, TITLE, about, facts, _sections(project, entries))


def history(project: Project, entry: PipelineSummary) -> list[ScoredRun]:
    """Return the scores of a pipeline's runs that were not all cache hits, oldest first, by the metric of the last.

    A run whose artifacts were removed has a score if it is a version, which keeps its scores.
    """
    kept = {version.run: version.evaluated.headline for version in project.registry.versions(entry.status.name)}
    scored = []
    for record in reversed(entry.made_models):
        if all(stage.cached for stage in record.stages.values()):
            continue
        score = headline(record, project.store) or kept.get(record.id)
        if score:
            prepared = record.references.get("preprocess")
            scored.append(ScoredRun(record.started, score, prepared["digest"] if prepared else ""))
    return [run for run in scored if run.headline.metric == scored[-1].headline.metric]


def _sections(project: Project, entries: Sequence[PipelineSummary]) -> Iterator[Section]:
    run = [entry for entry in entries if entry.records]
    if run:
        yield _status(project, run)
    if any(record.retraining for entry in run for record in entry.records):
        yield _retrainings(project.store, run)
    if any(entry.made_models for entry in run):
        yield _stored(project.store, run)
    rows = []
    for status in [entry.status for entry in entries if not entry.records]:
        data = "no data" if status.state == "no data" else ""
        rows.append([_links(project.store, status.name), status.domain, status.description, data])
    if rows:
        yield Section("Never run", tables=[Table("", ["pipeline", "domain", "about", ""], rows, words=True)])


def _status(project: Project, entries: Sequence[PipelineSummary]) -> Section:
    rows = []
    for entry in entries:
        status, points, last = entry.status, history(project, entry), entry.records[0]
        headline = status.headline
        rows.append(
            [
                _links(project.store, entry.status.name),
                status.state,
                *(headline_pair(headline) if headline else (MISSING, MISSING)),
                sparkline(points) if headline and points else "",
                status.serving or MISSING,
                status.domain,
                f"{last.started:%Y-%m-%d %H:%M}" + ("" if last.outcome == "succeeded" else f", {last.outcome}"),
            ]
        )
    note = (
        "Scores are those of the last successful run of the pipeline's own settings, on the test set. Each chart has a "
        "dot for every such run that was not a cache hit, and a dashed line for its best baseline. Lines have a gap "
        "where the prepared data changed, because scores on different test sets cannot be compared. gristmill "
        "history NAME also lists runs with --set. A name links to the report if gristmill report NAME has rendered it."
    )
    headings = ["pipeline", "state", "score", "best baseline", "scores over time", "champion", "domain", "last run"]
    return Section("Latest runs", note, tables=[Table("", headings, rows, words=True)])


def _retrainings(store: Store, entries: Sequence[PipelineSummary]) -> Section:
    rows = []
    for entry in entries:
        retrainings = [(record, record.retraining) for record in entry.records if record.retraining]
        decisive = [*retrainings[:1], *(item for item in retrainings[1:] if item[1].verdict != "nothing new")]
        rows += [
            [
                link_to(store, page_name(entry.status.name, "retraining"), entry.status.name),
                f"{record.started:%Y-%m-%d %H:%M}",
                retraining.verdict or record.outcome,
                f"v{retraining.version}" if retraining.version else "",
                retraining.why or record.error or "",
            ]
            for record, retraining in decisive[:_MAX_RETRAININGS_LISTED]
        ]
    note = (
        f"The last {_MAX_RETRAININGS_LISTED} of each pipeline. Of the retrainings without new data, only the last is "
        "listed."
    )
    headings = ["pipeline", "when", "verdict", "version", "why"]
    return Section("Retrainings", note, tables=[Table("", headings, rows, words=True)])


def _stored(store: Store, entries: Sequence[PipelineSummary]) -> Section:
    # Sum the bytes of artifacts by pipeline and stage, without missing and damaged ones.
    sizes: dict[str, Counter[str]] = {entry.status.name: Counter() for entry in entries if entry.made_models}
    for entry in entries:
        for reference in entry.made_models[0].references.values() if entry.made_models else ():
            stage, key = reference["stage"], reference["key"]
            with suppress(CorruptArtifact):
                sizes[entry.status.name][stage] += read_artifact(store.path(stage, key), stage, key).bytes

    stages = dict.fromkeys(stage.name for domain in DOMAINS for stage in domain_of(domain).stages)
    shown = [stage for stage in stages if any(stage in by_stage for by_stage in sizes.values())]
    rows = []
    for pipeline, by_stage in sizes.items():
        cells = [by_stage.get(stage) for stage in shown] + [by_stage.total()]
        rows.append([pipeline, *("" if size is None else f"{size / 2**20:,.2f}" for size in cells)])
    note = "Size of these runs' artifacts in MiB. Pipelines may share artifacts."
    return Section("Stored", note, tables=[Table("", ["pipeline", *shown, "all"], rows)])


def _links(store: Store, pipeline: str) -> str:
    """Return a pipeline's name as a link to its report, with links to its other pages that exist."""
    from markupsafe import Markup  # with Jinja, late

    pages = {what: page_name(pipeline, what) for what in _OTHER_PAGES}
    others = [link_to(store, name, what) for what, name in pages.items() if page_path(store, name).exists()]
    name = link_to(store, pipeline, pipeline)
    return Markup("{} ({})").format(name, Markup(", ").join(others)) if others else name
