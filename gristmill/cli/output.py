"""What the command line shows: tables and bars on a terminal, plain lines elsewhere."""

import importlib.util
import itertools
import json
import logging
import shlex
import sys
import textwrap
from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gristmill.cli.console import err, escape, out, width
from gristmill.cli.text_table import Column, lines
from gristmill.reports.scores import comparison, headline_pair, short_table
from gristmill.runs.plan import Step, is_fresh
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, CONFIDENCE_LEVEL, Retraining
from gristmill.runs.scores import Headline, Scores
from gristmill.settings import messages
from gristmill.util.log_lines import PlainLogHandler

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from rich.table import Table

    from gristmill.cli.doctor import Diagnosis
    from gristmill.project.status import Status
    from gristmill.registry.version import Version
    from gristmill.sweeps.leaderboard import LeaderboardEntry

logger = logging.getLogger(__name__)

_MARKS = {
    "fresh": "[green]fresh[/]",
    "run": "[yellow]run[/]",
    "depends": "[yellow]run?[/]",
    "no data": "[red]no data[/]",
}
_STATES = {
    "fresh": "[green]fresh[/]",
    "stale": "[yellow]stale[/]",
    "never run": "[dim]never run[/]",
    "no data": "[red]no data[/]",
}
_FINDINGS = {True: "[green]ok[/]", False: "[red]no[/]", None: "–"}
_INDENT = " " * 8  # as wide as the words `model`, `report` and `bundle` below the scores of a run

_BASELINE = "best\nbaseline"
# Columns that give way where the terminal is narrow, as `text_table.lines` takes them; names and ids never do.
_PIPELINES_GIVE_WAY = [("about", 15), ("about", 0), ("domain", 0), ("champion", 0), (_BASELINE, 0), ("score", 0)]
_RUNS_GIVE_WAY = [("with", 24), ("s", 0), (_BASELINE, 0), ("with", 12), ("outcome", 9), ("with", 0), ("outcome", 0)]
_POINTS_GIVE_WAY = [("parameters", 0), ("train s", 0), ("point", 30), ("seeds", 0), ("± over seeds", 0)]
_VERSIONS_GIVE_WAY = [("why", 24), ("commit", 0), ("made", 0), ("why", 10), (_BASELINE, 0), ("why", 0), ("with", 12)]

_debug = False


def set_up(level: int, debug: bool) -> None:
    """Have gristmill's log shown from this level on; say whether errors come with tracebacks."""
    global _debug
    _debug = debug
    lines = PlainLogHandler(say)
    for name in ("gristmill", "tasks"):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = False
        logger.handlers = [lines]


def debugging() -> bool:
    """Whether `--debug` was given."""
    return _debug


def is_quiet() -> bool:
    """Whether `--quiet` was given."""
    return not logger.isEnabledFor(logging.INFO)


def say(text: str) -> None:
    """Print a line that is not a result."""
    err().print(text, markup=False)


def show_error(error: Exception) -> None:
    """Print an error."""
    for line in str(error).splitlines():
        err().print(f"[red]error:[/] {escape(line)}")


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def show_status(found: "Iterable[Status]", everything: bool = True) -> None:
    """Print the catalogue; without `everything` only the number of those pipelines that need data."""
    known = list(found)
    shown = [status for status in known if everything or not status.needs_data]
    scores = [headline_pair(status.headline) if status.headline else ("", "") for status in shown]
    columns = [
        _column("pipeline", [status.name for status in shown]),
        _column("domain", [status.domain for status in shown]),
        _column("state", [_STATES[status.state] for status in shown]),
        _column("score", [score for score, _ in scores], numbers=True),
        _column(_BASELINE, [baseline for _, baseline in scores], numbers=True),
        _column("champion", [f"v{status.champion}" if status.champion else "" for status in shown]),
        _column("about", [escape(status.description) for status in shown]),
    ]
    if shown:
        _print_columns(columns, _PIPELINES_GIVE_WAY)
    if hidden := len(known) - len(shown):
        out().print(f"{hidden}{' more' * bool(shown)} {'needs' if hidden == 1 else 'need'} data: gristmill ls --all")


def show_plan(name: str, steps: list[Step]) -> None:
    """Print the steps of a run and why each would be done, or that nothing is to be done."""
    if is_fresh(steps):
        print(f"{name}: all fresh, nothing to do", flush=True)  # without rich
        return
    table = _table("stage", "", "because")
    for (stage, state, reason), points in itertools.groupby(
        steps, lambda step: (step.stage.split()[0], step.state, step.reason)
    ):
        labels = [step.stage for step in points]
        table.add_row(labels[0] if len(labels) == 1 else f"{stage} x{len(labels)}", _MARKS[state], escape(reason))
    show_name(name)
    _print(table)


def show_name(name: str) -> None:
    """Print which pipeline it is that the next lines tell of."""
    out().print(f"[bold]{escape(name)}[/]")


def show_scores(scores: Scores) -> None:
    """Print scores, the model first, then the baselines from the best on, and whether the model beats them."""
    found = short_table(scores)
    names, *figures = zip(*found.rows, strict=True)
    bold = ["[bold]model[/]" if name == "model" else escape(name) for name in names]
    numbers = [_column(heading, cells, True) for heading, cells in zip(found.headings[1:], figures, strict=True)]
    _print_columns([_column(found.headings[0], bold), *numbers], [(name, 0) for name in found.headings[:2:-1]])
    said = f"model   {comparison(scores)}"
    room = width() or len(said)
    out().print("\n".join(textwrap.wrap(said, room, subsequent_indent=_INDENT)), markup=False)


def show_places(report: "Path", bundle: "Path") -> None:
    """Print where report and bundle lie."""
    out().print(f"report  {report}", markup=False)
    show_bundle(bundle)


def show_bundle(folder: "Path", version: int | None = None) -> None:
    """Print the folder of exported models, on one line however narrow the terminal is."""
    out().print(f"bundle{f' of v{version}' if version else ''}  {folder}", markup=False)


def show_logs(folder: "Path") -> None:
    """Print the command that opens TensorBoard on a training's logs, and what to install for it."""
    hint = "" if importlib.util.find_spec("tensorboard") else "    (needs: pip install tensorboard)"
    out().print(f"logs    tensorboard --logdir {shlex.quote(str(folder))}{hint}", markup=False)


def show_record(record: Record, scores: Scores | None, versions: Iterable[int] = ()) -> None:
    """Print a run: outcome, the versions that its model is, scores, lineage."""
    error = escape(f" ({record.error})") if record.error else ""
    out().print(
        f"[bold]{escape(record.pipeline)}[/] run {record.id}: {_outcome(record)}, {record.seconds:.1f} s{error}"
    )
    if record.overrides:
        out().print(f"with {', '.join(record.overrides)}", markup=False)
    if versions:
        out().print(f"registered as {', '.join(f'v{number}' for number in versions)}", markup=False)
    if scores:
        show_scores(scores)
    if found := record.retraining:
        since = f"since version {found.champion} was trained" if found.champion else "there was no champion"
        out().print(f"news    {found.news}, {since}; {found.unjudged:,} not judged before", markup=False)
        for alarm in found.drift.alarms if found.drift else []:
            out().print(f"alarm   {alarm}", markup=False)
        _show_decision(record.pipeline, found)
    table = _table("stage", "this run", "key", "digest", "s")
    for name, stage in record.stages.items():
        table.add_row(
            name,
            "fresh" if stage.cached else "made",
            stage.reference["key"][:12],
            stage.reference["digest"][:12],
            f"{stage.seconds:.1f}",
        )
    _print(table)


def show_retraining(record: Record, report: "Path") -> None:
    """Print how a retraining ended: who was judged, the verdict, where the report lies."""
    if record.retraining:
        _show_decision(record.pipeline, record.retraining)
        out().print(f"report  {report}", markup=False)


def _show_decision(pipeline: str, found: Retraining) -> None:
    """Print who was judged in a retraining, and the verdict."""
    if judged := found.judgement:
        names, scores = zip(*judged.best_first, strict=True)
        bold = [f"[bold]{name}[/]" if name in (CHALLENGER, CHAMPION) else escape(name) for name in names]
        shown = messages.format_numbers(scores, digits=5)
        _print_columns([_column("judged on new data", bold), _column(judged.metric, shown, numbers=True)])
        if judged.interval:
            difference, low, high = messages.format_numbers([judged.difference, *judged.interval])
            out().print(
                f"the champion's error minus the challenger's: {difference} ({low} to {high}, "
                f"{CONFIDENCE_LEVEL:.0%} interval of {judged.items:,} items)",
                markup=False,
            )
    version = f" as version {found.version}" if found.version else ""
    out().print(f"{pipeline}: {found.verdict or 'not ended'}{version} ({found.why})", markup=False)


def show_leaderboard(places: "list[LeaderboardEntry]", report: "Path") -> None:
    """Print the points of a sweep, the best first, and which one to take."""
    from gristmill.sweeps.page import leaderboard, verdict

    found = leaderboard(places)
    columns = zip(found.headings, zip(*found.rows, strict=True), strict=True)
    _print_columns(
        [_column(heading, map(escape, cells), heading != "point") for heading, cells in columns], _POINTS_GIVE_WAY
    )
    out().print(verdict(places), markup=False)
    out().print(f"report  {report}", markup=False)


def show_runs(rows: "list[tuple[Record, Headline | None]]") -> None:
    """Print runs side by side."""
    records = [record for record, _ in rows]
    columns = [
        _column("run", [record.id for record in records]),
        _column("outcome", [_outcome(record) for record in records]),
        _column("s", [f"{record.seconds:,.1f}" for record in records], numbers=True),
        *_headline_columns([headline for _, headline in rows]),
        _column("with", [escape(", ".join(record.overrides)) for record in records]),
    ]
    _print_columns(columns, _RUNS_GIVE_WAY)


def _outcome(record: Record) -> str:
    kind = "trial, " if record.trial else ""
    return f"retraining, {record.retraining.verdict or record.outcome}" if record.retraining else kind + record.outcome


def show_models(versions: "Iterable[Version]", champion: int | None, damaged: Container[int]) -> None:
    """Print versions side by side; which one is the champion, which cannot be used."""
    known = list(versions)
    serves = ["[green]champion[/] " if version.number == champion else "" for version in known]
    broken = ["[red]damaged[/]" if version.number in damaged else "" for version in known]
    whys = [f"{version.decision['verdict']}: {version.decision['why']}" for version in known]
    columns = [
        _column("version", [f"v{version.number}" for version in known]),
        _column("", ["".join(marks).strip() for marks in zip(serves, broken, strict=True)]),
        _column("made", [f"{version.made.astimezone():%Y-%m-%d %H:%M %Z}" for version in known]),
        _column("run", [version.run for version in known]),
        *_headline_columns([version.evaluated.summary for version in known]),
        _column("commit", [escape(str(version.git)) for version in known]),
        _column("with", [escape(", ".join(version.overrides)) for version in known]),
        _column("why", map(escape, whys)),
    ]
    _print_columns(columns, _VERSIONS_GIVE_WAY)


def show_text(pieces: Iterable[str]) -> None:
    """Print a text piece by piece as it comes, and an end of line, even where it is interrupted."""
    begun = False
    try:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
            begun = True
    finally:
        sys.stdout.write("\n" if begun else "")


def show_frame(frame: "pd.DataFrame") -> None:
    """Print a frame as CSV, its numbers in six digits; a file has them as they are."""
    sys.stdout.write(frame.to_csv(index=False, float_format=_number))


def show_findings(findings: "list[Diagnosis]") -> None:
    """Print what the doctor found."""
    table = _table("", "subject", "found")
    for finding in findings:
        table.add_row(_FINDINGS[finding.sound], finding.subject, escape(finding.found))
    _print(table)


def _column(heading: str, cells: Iterable[str], numbers: bool = False) -> Column:
    """Return a column of cells with markup."""
    from rich.text import Text

    return Column(heading, [Text.from_markup(cell, emoji=False) for cell in cells], numbers)


def _print_columns(columns: Sequence[Column], give_way: Sequence[tuple[str, int]] = ()) -> None:
    for line in lines(columns, width(), give_way):
        out().print(line)


def _table(*headings: str) -> "Table":
    """Return a table whose last column holds sentences, which are wrapped where the terminal is narrow."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(headings[-1], overflow="fold")
    return table


def _print(table: "Table") -> None:
    """Print a table without the blanks that fill its last column."""
    from rich.text import Text

    for line in out().render_lines(table, out().options.update(width=width() or out().width), pad=False):
        text = Text.assemble(*((segment.text, segment.style or "") for segment in line))
        text.rstrip()
        out().print(text)


def _number(value: Any) -> str:
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"  # no exponent where the digits can be written


def _headline_columns(headlines: Sequence[Headline | None]) -> list[Column]:
    """Return the columns of a pipeline's scores: on validation, on the test part, of the best baseline there."""
    metrics = [headline.metric if headline else "" for headline in headlines]
    named = {metric for metric in metrics if metric}
    (metric,) = named if len(named) == 1 else ("score",)
    headings = {"validation": f"validation\n{metric}", "model": f"test\n{metric}", "baseline": _BASELINE}
    shown = messages.format_numbers([getattr(headline, key, None) for headline in headlines for key in headings])
    columns = [_column(heading, shown[at :: len(headings)], True) for at, heading in enumerate(headings.values())]
    return columns if len(named) < 2 else [_column("metric", metrics), *columns]
