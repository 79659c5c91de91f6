"""Results of commands, as text, tables, CSV or JSON."""

import importlib.util
import itertools
import json
import re
import shlex
import sys
from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gristmill.cli import console
from gristmill.monitoring.prediction_columns import PREDICTED, position_of_reasons
from gristmill.settings.number_text import format_numbers

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from gristmill.cli.console import Column
    from gristmill.cli.doctor import Diagnosis
    from gristmill.project.status import Status
    from gristmill.registry.promotions import Promotion
    from gristmill.registry.version import Version
    from gristmill.reports.sections import Section, Table
    from gristmill.runs.plan import Step
    from gristmill.runs.records import Record
    from gristmill.runs.retraining_record import Retraining
    from gristmill.scores import Headline, Scores
    from gristmill.sweeps.result import SweepResult

_POINT = re.compile(r" [\d/]+$")  # numbers of a point, as in `backtest 2/1`
_STATES = {  # of pipelines and of steps: words and style
    "fresh": ("fresh", "green"),
    "stale": ("stale", "yellow"),
    "run": ("run", "yellow"),
    "depends": ("run?", "yellow"),
    "never run": ("never run", "dim"),
    "no data": ("no data", "red"),
    "untried": ("not tried", "dim"),
}
_DIAGNOSES = {True: ("ok", "green"), False: ("no", "red"), None: ("–", "")}
_INDENT = " " * 8  # width of the labels `model`, `report` and `bundle` below the scores of a run

_MAX_ARRIVALS_EXPLAINED = 5

_BASELINE = "best\nbaseline"
# Columns to shrink or drop on a narrow terminal, as for `console.print_columns`; names and IDs are always whole.
_SHRINK_PIPELINES = [
    ("about", 15),
    ("about", 0),
    ("selected", 16),
    ("domain", 0),
    ("selected", 0),
    ("champion", 0),
    (_BASELINE, 0),
    ("score", 0),
]
_SHRINK_RUNS = [("with", 24), ("s", 0), (_BASELINE, 0), ("with", 12), ("outcome", 9), ("with", 0), ("outcome", 0)]
_SHRINK_POINTS = [("parameters", 0), ("fit s", 0), ("point", 30), ("seeds", 0), ("± over seeds", 0)]
_SHRINK_VERSIONS = [("with", 24), ("commit", 0), ("made", 0), (_BASELINE, 0), ("with", 12)]


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def show_status(pipelines: "list[Status]", everything: bool = True) -> None:
    """Print the status of pipelines; without `everything`, only count those that need data."""
    from gristmill.reports.scores import headline_pair

    shown = [status for status in pipelines if everything or not status.needs_data]
    scores = [headline_pair(status.headline) if status.headline else ("", "") for status in shown]
    columns: list[Column] = [
        ("pipeline", [status.name for status in shown]),
        ("domain", [status.domain for status in shown]),
        ("state", [console.styled(*_STATES[status.state]) for status in shown]),
        ("score", [score for score, _ in scores]),
        (_BASELINE, [baseline for _, baseline in scores]),
        ("selected", [status.headline.selected or "" if status.headline else "" for status in shown]),
        ("champion", [status.serving for status in shown]),
        ("about", [status.description for status in shown]),
    ]
    if shown:
        console.print_columns(columns, ("score", _BASELINE), _SHRINK_PIPELINES)
    if hidden := len(pipelines) - len(shown):
        console.write(f"{hidden}{' more' * bool(shown)} {'needs' if hidden == 1 else 'need'} data: gristmill ls --all")


def show_plan(name: str, steps: "list[Step]") -> None:
    """Print the steps of a run with the reason for each, or that there is nothing to do."""
    from gristmill.runs.plan import is_fresh

    if is_fresh(steps):
        candidates = [step for step in steps if step.stage.startswith("train ")]
        untried = sum(step.state == "untried" for step in candidates)
        left = f", {untried} of {len(candidates)} candidates not tried" if untried else ""
        print(f"{name}: all fresh, nothing to do{left}", flush=True)  # without rich
        return
    rows = []
    same_row = itertools.groupby(steps, lambda step: (_POINT.sub("", step.stage), step.state, step.reason))
    for (stage, state, reason), group in same_row:
        labels = [step.stage for step in group]
        label = labels[0] if len(labels) == 1 else f"{stage} x{len(labels)}"
        rows.append((label, console.styled(*_STATES[state]), reason))
    show_name(name)
    console.print_wrapped(("stage", "", "because"), rows)


def show_name(name: str) -> None:
    """Print the name of the pipeline that the next lines are about."""
    console.out().print(console.styled(name, "bold"))


def show_scores(scores: "Scores", untried: int = 0) -> None:
    """Print scores of the model and of the baselines, best first, and whether the model beats them.

    `untried` is the number of candidates that the run did not try.
    """
    from gristmill.reports.scores import comparison, selection_line, short_table
    from gristmill.scores import MODEL

    table = short_table(scores)
    show_table(table, [(name, 0) for name in table.headings[:2:-1]], bold=(MODEL,))
    lines = [f"chosen  {selection_line(scores.selected, untried)}"] if scores.selected else []
    for line in [*lines, f"model   {comparison(scores)}", *(f"warning {warning}" for warning in scores.warnings)]:
        console.write_sentence(line, _INDENT)


def show_report(path: "Path") -> None:
    """Print the path of a report."""
    console.write(f"report  {path}")


def show_bundle(folder: "Path", version: int | None = None) -> None:
    """Print the folder of exported models, on one line even if the terminal is narrow."""
    console.write(f"bundle{f' of v{version}' if version else ''}  {folder}")


def show_logs(folder: "Path") -> None:
    """Print the command that opens TensorBoard on the logs of a training, and how to install it."""
    hint = "" if importlib.util.find_spec("tensorboard") else "    (needs: pip install tensorboard)"
    console.write(f"logs    tensorboard --logdir {shlex.quote(str(folder))}{hint}")


def show_record(
    record: "Record", scores: "Scores | None", versions: Iterable[int] = (), promotions: "Iterable[Promotion]" = ()
) -> None:
    """Print a run: outcome, versions made from it and their promotions, scores, lineage."""
    error = f" ({record.error})" if record.error else ""
    outcome = f" run {record.id}: {_outcome(record)}, {_seconds(record)} s{error}"
    console.out().print(console.styled(record.pipeline, "bold").append(outcome))
    if record.overrides:
        console.write(f"with {', '.join(record.overrides)}")
    if versions:
        console.write(f"registered as {', '.join(f'v{number}' for number in versions)}")
    show_promotions(promotions)
    if scores:
        show_scores(scores, len(record.untried))
    if retraining := record.retraining:
        since = f"since version {retraining.champion} was trained" if retraining.champion else "there was no champion"
        news = f"{retraining.news}, {since}; {retraining.unjudged:,} not judged before"
        console.write_sentence(f"news    {news}", _INDENT)
        if retraining.silent_since:
            console.write(f"silent  newest data of {retraining.silent_since:%Y-%m-%d %H:%M} UTC")
        for alarm in retraining.drift.alarms if retraining.drift else []:
            console.write_sentence(f"alarm   {alarm}", _INDENT)
        show_decision(record.pipeline, retraining)
    stages = record.stages.values()
    columns: list[Column] = [
        ("stage", record.stages),
        ("this run", ["fresh" if stage.cached else "made" for stage in stages]),
        ("key", [stage.reference["key"][:12] for stage in stages]),
        ("digest", [stage.reference["digest"][:12] for stage in stages]),
        ("s", [f"{stage.seconds:.1f}" for stage in stages]),
    ]
    console.print_columns(columns)


def show_decision(pipeline: str, retraining: "Retraining") -> None:
    """Print the scores and the verdict of a retraining."""
    from gristmill.reports.sections import Table
    from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, CONFIDENCE_LEVEL

    if judged := retraining.judgement:
        table = Table("", ["judged on new data", judged.metric], list(map(list, judged.rows)))
        show_table(table, bold=(CHALLENGER, CHAMPION))
        if judged.change:
            difference, low, high = format_numbers(judged.change)
            console.write_sentence(
                f"the challenger's {judged.metric} minus the champion's: {difference} ({low} to {high}, "
                f"{CONFIDENCE_LEVEL:.0%} interval of {judged.items_in_words})"
            )
    if judged and retraining.winner_changes:
        console.write_sentence(retraining.winner_changes)
    version = f" as version {retraining.version}" if retraining.version else ""
    console.write_sentence(f"{pipeline}: {retraining.verdict or 'not ended'}{version} ({retraining.why})")


def show_leaderboard(result: "SweepResult") -> None:
    """Print the points of a sweep, best first, and which one to take."""
    show_table(result.table, _SHRINK_POINTS)
    console.write_sentence(result.summary)
    show_report(result.report)


def show_sections(sections: "Iterable[Section]") -> None:
    """Print the titles, notes and tables of sections."""
    for at, section in enumerate(sections):
        console.out().print(console.styled(f"{chr(10) * (at > 0)}{section.title}", "bold"))
        for paragraph in section.note.splitlines():
            console.write_sentence(paragraph)
        for table in section.tables:
            show_table(table, [(name, 20) for name in table.headings[:0:-1]])


def show_table(table: "Table", shrink: Sequence[tuple[str, int]] = (), bold: Container[str] = ()) -> None:
    """Print a table of a page, with some row names in bold; for `shrink` see `console.print_columns`."""
    names, *columns = zip(*table.rows, strict=True)
    styled = [console.styled(name, "bold") if name in bold else name for name in names]
    numbers = [] if table.words else table.headings[1:]
    console.print_columns([*zip(table.headings, [styled, *columns], strict=True)], numbers, shrink)


def show_runs(rows: "list[tuple[Record, Headline | None]]") -> None:
    """Print runs with their headline scores."""
    records = [record for record, _ in rows]
    scores = _headline_columns([headline for _, headline in rows])
    columns = [
        ("run", [record.id for record in records]),
        ("outcome", [_outcome(record) for record in records]),
        ("s", [_seconds(record) for record in records]),
        *scores,
        ("with", [", ".join(record.overrides) for record in records]),
    ]
    console.print_columns(columns, {"s", *dict(scores)} - {"metric"}, _SHRINK_RUNS)


def show_arrivals(records: "Sequence[Record]") -> None:
    """Print why the newest data was set aside, or would have been without `--accept`; a row for each rule."""
    newest = [record for record in records if record.set_aside or record.accepted][:_MAX_ARRIVALS_EXPLAINED]
    rows = [
        (record.id, "accepted" if record.accepted else "set aside", text)
        for record in newest
        for text in (record.set_aside or record.accepted).values()
    ]
    if rows:
        console.print_wrapped(("run", "new data", "because"), rows)


def _outcome(record: "Record") -> str:
    if record.set_aside:
        return "data set aside"
    if record.retraining:
        return f"retraining, {record.retraining.verdict or record.outcome}"
    return f"trial, {record.outcome}" if record.trial else record.outcome


def _seconds(record: "Record") -> str:
    """Return the seconds that a run took; a dash if it was killed before a stage ended, so that they are not known."""
    return f"{record.seconds:,.1f}" if record.seconds else "–"


def show_models(versions: "list[Version]", champion: int | None, damaged: Container[int]) -> None:
    """Print versions; mark the champion and those with a damaged bundle."""
    marks = []
    for version in versions:
        mark = console.styled("champion" if version.number == champion else "", "green")
        marks.append(mark.append(" damaged" if mark else "damaged", "red") if version.number in damaged else mark)
    scores = _headline_columns([version.evaluated.summary for version in versions])
    columns: list[Column] = [
        ("version", [f"v{version.number}" for version in versions]),
        ("", marks),
        ("made", [f"{version.made.astimezone():%Y-%m-%d %H:%M %Z}" for version in versions]),
        ("run", [version.run for version in versions]),
        *scores,
        ("commit", [str(version.git) for version in versions]),
        ("with", [", ".join(version.overrides) for version in versions]),
    ]
    console.print_columns(columns, dict(scores).keys() - {"metric"}, _SHRINK_VERSIONS)
    reasons = [(f"v{it.number}", f"{it.decision['verdict']}: {it.decision['why']}") for it in versions]
    console.print_wrapped(("version", "why"), reasons)


def show_promotions(promotions: "Iterable[Promotion]") -> None:
    """Print who promoted versions, when and why."""
    for promotion in promotions:
        console.write_sentence(f"v{promotion.version} promoted {promotion}")


def show_text(pieces: Iterable[str]) -> None:
    """Print a text piece by piece as it is generated, and a newline even if it is interrupted."""
    begun = False
    try:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
            begun = True
    finally:
        sys.stdout.write("\n" if begun else "")


def show_frame(frame: "pd.DataFrame") -> None:
    """Print predictions as CSV with six significant digits, and of each target's quantiles the lowest and the highest.

    Of contributions, only the largest ones are printed, in words. Columns of the input are printed as they are.
    `--output` files have all quantiles and contributions in full precision.
    """

    def plain(value: Any) -> str:
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"  # an exponent is harder to read

    targets = ["", *(str(name).rpartition(" quantile ")[0] for name in frame), ""]
    neighbors = zip(targets, targets[1:], targets[2:], strict=False)
    shown = frame.loc[:, [not target or not target == before == after for before, target, after in neighbors]]
    if (at := position_of_reasons(shown)) is not None:
        shown = shown.iloc[:, : at + 1]
    if PREDICTED in shown:
        inputs = shown.loc[:, :PREDICTED].iloc[:, :-1].select_dtypes("float64").columns
        shown = shown.astype(dict.fromkeys(inputs, object))
    sys.stdout.write(shown.to_csv(index=False, float_format=plain))


def show_bytes(content: bytes) -> None:
    """Print the content of a file."""
    sys.stdout.buffer.write(content)
    sys.stdout.flush()


def show_diagnoses(diagnoses: "list[Diagnosis]") -> None:
    """Print the findings of `doctor`."""
    rows = [(console.styled(*_DIAGNOSES[it.sound]), it.subject, it.finding) for it in diagnoses]
    console.print_wrapped(("", "subject", "found"), rows)


def _headline_columns(headlines: "Sequence[Headline | None]") -> list[tuple[str, list[str]]]:
    """Return columns of headline scores: validation set, test set, best baseline on the test set."""
    metrics = [headline.metric if headline else "" for headline in headlines]
    known = {metric for metric in metrics if metric}
    (metric,) = known if len(known) == 1 else ("score",)
    headings = {"validation": f"validation\n{metric}", "model": f"test\n{metric}", "baseline": _BASELINE}
    shown = format_numbers([getattr(headline, key, None) for headline in headlines for key in headings])
    columns = [(heading, shown[at :: len(headings)]) for at, heading in enumerate(headings.values())]
    return columns if len(known) < 2 else [("metric", metrics), *columns]
