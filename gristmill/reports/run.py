"""The report on a run: the sections of its domain, leaderboard, settings, time and size, and lineage."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import PydanticUndefined

from gristmill.config.catalogue import restore_settings
from gristmill.config.domains import domain_of
from gristmill.errors import RequestError
from gristmill.reports.comparison import difference_in_words, earlier_runs_section, read_errors
from gristmill.reports.page import page_name, page_path, render_page
from gristmill.reports.scores import metric_name, selection_line
from gristmill.reports.sections import Section, Table
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import CHALLENGER
from gristmill.scores import LEADERBOARD, Scores
from gristmill.settings.number_text import MISSING, format_numbers, setting_text, whole_percents
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store
from gristmill.util.table_io import read_table

if TYPE_CHECKING:
    import pandas as pd


def write_report(record: Record, description: str, store: Store) -> Path:
    """Render a run's report and return its path: `reports/<pipeline>.html` in the store.

    Raises:
        CorruptArtifact: an artifact of the run is deleted or altered.
    """
    artifacts = {name: store.open_verified(reference) for name, reference in record.references.items()}
    sections = domain_of(record.domain).report.load().sections
    folders = stage_folders(artifacts)
    first, second, *others = sections(folders)  # the second one has the most important picture
    # Say below the scores whether the difference between the model and its best baseline could be chance.
    scores = Scores.read(folders["evaluate"])
    best, count = scores.best_baseline, len(scores.baselines)
    contest = read_errors(record.domain, folders)
    chance = difference_in_words(contest, CHALLENGER, best, ("the model", best))
    if " interval from " in chance and count > 1:
        chance += f" It does not account for the choice of {best} as the best of {count} baselines on this test set."
    first = replace(first, note=f"{first.note}\n{chance}")
    # Add what the reports of all domains have in common.
    earlier = earlier_runs_section(record, store)
    leaderboards = []
    if "select" in artifacts:
        note = selection_line(scores.selected, len(record.untried)) if scores.selected else ""
        leaderboards = [leaderboard_section(leaderboard(artifacts, scores), scores, note)]
    content = [first, second, *leaderboards, *([earlier] if earlier else []), *others]
    content += common_sections(record, artifacts)
    path = report_path(store, record.pipeline, record.trial)
    return render_page(store, path.stem, record.pipeline, description, run_facts(record), content)


def stage_folders(artifacts: Mapping[str, Artifact]) -> dict[str, Path]:
    """Return the folder of each stage; that of train is the selected model's, if it was selected among candidates."""
    folders = {name: artifact.path for name, artifact in artifacts.items()}
    return folders | ({"train": folders["select"]} if "select" in folders else {})


def report_path(store: Store, pipeline: str, trial: bool = False) -> Path:
    """Return the path of the report on a pipeline's run, or on a trial with other settings; rendered or not."""
    return page_path(store, page_name(pipeline, "trial") if trial else pipeline)


def run_facts(record: Record) -> dict[str, str]:
    """Return the facts at the top of a run's page."""
    facts = {
        "run": record.id,
        "domain": record.domain,
        "outcome": record.outcome,
        "took": f"{record.seconds:.1f} s",
        "with": ", ".join(record.overrides),
    }
    return {name: fact for name, fact in facts.items() if fact}


def common_sections(record: Record, artifacts: Mapping[str, Artifact]) -> list[Section]:
    """Return the last sections of every domain's report."""
    # The row of a stage has the sums over its artifacts.
    timings = []
    for stage, labels in _by_stage(artifacts).items():
        computed = sum(not record.stages[label].cached for label in labels)
        measures = [artifacts[label].manifest["measures"] for label in labels]
        timings.append(
            [
                _counted(stage, len(labels)),
                "fresh" if not computed else "made" if computed == len(labels) else f"{computed} made",
                f"{sum(record.stages[label].seconds for label in labels):.1f}",
                f"{sum(measured['seconds'] for measured in measures):.1f}",
                f"{max(measured['peak_memory_mib'] for measured in measures):,.0f}",
                f"{sum(artifacts[label].bytes for label in labels) / 1024:,.0f}",
            ]
        )
    # An artifact was made from stages of the run, and from other data, which is named with its digests.
    lineage = []
    for label, artifact in artifacts.items():
        digests = artifact.manifest["made_of"]["inputs"]
        stages = _by_stage(name for name in digests if name in artifacts)
        others = [f"{name} {digest[:12]}" for name, digest in digests.items() if name not in artifacts]
        lineage.append(
            [
                label,
                artifact.reference["key"][:12],
                artifact.reference["digest"][:12],
                f"{datetime.fromisoformat(artifact.manifest['created']):%Y-%m-%d %H:%M}",
                ", ".join([*(_counted(stage, len(labels)) for stage, labels in stages.items()), *others]),
            ]
        )
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    timed = ["stage", "this run", "s in this run", "s when made", "peak MiB", "KiB stored"]
    traced = ["stage", "key", "digest", "made, UTC", "from"]
    return [
        Section("Settings", tables=[_settings(record)]),
        Section("Time and size", tables=[Table("", timed, timings)]),
        Section("Lineage", f"Made with {versions}.", tables=[Table("", traced, lineage, words=True)]),
    ]


def leaderboard(artifacts: Mapping[str, Artifact], scores: Scores) -> "pd.DataFrame":
    """Return a row for each candidate, the lowest loss first, failed ones last.

    Columns: `candidate`; `loss` and its `standard_error` on the data of the selection; `weight` in the exported model;
    `test`, the headline metric on the test set, which is not used for selection; `seconds` to fit; `microseconds` for a
    prediction; `megabytes`; `failed`, the reason or an empty text.
    """
    table: pd.DataFrame = read_table(artifacts["select"].path / LEADERBOARD).drop(columns="baseline")
    scored = scores.baselines | scores.candidates
    measured = artifacts["evaluate"].manifest["measures"]
    trained = [artifacts.get(f"train {name}") for name in table["candidate"]]
    columns: dict[str, list[float | None]] = {
        "test": [scored[name]["test"][scores.metric] if name in scored else None for name in table["candidate"]],
        "seconds": [float(artifact.manifest["measures"]["seconds"]) if artifact else None for artifact in trained],
        "microseconds": [measured.get(name) for name in table["candidate"]],
        "megabytes": [artifact.bytes / 1e6 if artifact else None for artifact in trained],
    }
    for at, (name, values) in enumerate(columns.items()):
        table.insert(4 + at, name, values)
    return table


def leaderboard_section(table: "pd.DataFrame", scores: Scores, note: str) -> Section:
    """Return the leaderboard as a section of a report; the scores on the test set are collapsed."""
    compared = table[table["failed"] == ""]
    reasons = table[table["failed"] != ""].set_index("candidate")["failed"].str.rstrip(".")
    failed = [f"{name} left out: {reason}." for name, reason in reasons.items()]
    metric, on = (scores.selected.metric, scores.selected.on) if scores.selected else ("loss", "validation")
    headings = ["candidate", f"{metric_name(metric)} on {on}", "±", "weight", "fit s", "predict µs", "MB"]
    names = ("loss", "standard_error", "weight", "seconds", "microseconds", "megabytes")
    cells = [format_numbers(_known(compared[name]), digits=3) for name in names]
    cells[2] = [f"{percent}%" if percent else MISSING for percent in whole_percents(compared["weight"])]
    cells[4] = format_numbers(_known(compared["microseconds"]), digits=2)
    candidates, of_test = compared["candidate"].tolist(), format_numbers(_known(compared["test"]))
    title = "Scores on the test set, not used for selection"
    marks = {at: "in the model" for at, weight in enumerate(compared["weight"]) if weight > 0}
    tables = [
        Table.of_columns("", headings, [candidates, *cells], marks=marks),
        Table.of_columns(title, ["candidate", metric_name(scores.metric)], [candidates, of_test], folded=True),
    ]
    return Section("Leaderboard", " ".join([f"{note}.", *failed]), tables=tables)


def _settings(record: Record) -> Table:
    """Return the settings of a run, collapsed: first those that differ from their defaults, marked."""
    try:
        tables = restore_settings(record.domain, record.settings)
    except RequestError:  # this version of gristmill has other settings
        tables = {}
    changed: list[list[str]] = []
    others: list[list[str]] = []
    for table, values in record.settings.items():
        fields = type(tables[table]).model_fields if table in tables else {}
        for key, value in values.items():
            default = fields[key].get_default(call_default_factory=True) if key in fields else PydanticUndefined
            row, is_known = [f"{table}.{key}", setting_text(value)], default is not PydanticUndefined
            differs = key in fields and getattr(tables[table], key) != default
            (changed if differs else others).append([*row, setting_text(default) if is_known else ""])
    count = len(changed) + len(others)
    title = f"{len(changed)} of {count} settings differ from the defaults" if tables else "All settings"
    headings, marks = ["setting", "value", "default"], dict.fromkeys(range(len(changed)), "set")
    return Table(title, headings, [*changed, *others], words=True, folded=True, marks=marks)


def _by_stage(labels: Iterable[str]) -> dict[str, list[str]]:
    """Return the labels of each stage; a stage with chunks has several."""
    by_stage: dict[str, list[str]] = {}
    for label in labels:
        by_stage.setdefault(label.split()[0], []).append(label)
    return by_stage


def _counted(stage: str, count: int) -> str:
    """Return the name of a stage with its number of artifacts, if there are several: `backtest x12`."""
    return stage if count == 1 else f"{stage} x{count}"


def _known(values: "pd.Series[float]") -> list[float | None]:
    return [None if value is None or math.isnan(value) else float(value) for value in values]
