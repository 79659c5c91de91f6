"""Output of the command line: results on standard output, messages on standard error.

Rich is imported late: a run with nothing to do prints no table.
"""

import importlib.util
import itertools
import json
import logging
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Container, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from gristmill.cli.text_table import TextColumn, lines
from gristmill.reports.scores import comparison, headline_pair, selection_line, short_table
from gristmill.runs.plan import Step, is_fresh
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, CONFIDENCE_LEVEL, Retraining
from gristmill.runs.scores import Headline, Scores
from gristmill.settings.messages import format_numbers
from gristmill.util.log_lines import PlainLogHandler

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from rich.console import Console

    from gristmill.cli.doctor import Diagnosis
    from gristmill.project.status import Status
    from gristmill.registry.version import Version
    from gristmill.sweeps.result import SweepResult

logger = logging.getLogger(__name__)

WIDTH_WITHOUT_TERMINAL = 200  # characters of a line of a wrapped table
MIN_SENTENCE_WIDTH = 20

_POINT = re.compile(r" [\d/]+$")  # numbers of a point, as in `backtest 2/1`
_STATES = {  # of pipelines and of steps
    "fresh": "[green]fresh[/]",
    "stale": "[yellow]stale[/]",
    "run": "[yellow]run[/]",
    "depends": "[yellow]run?[/]",
    "never run": "[dim]never run[/]",
    "no data": "[red]no data[/]",
    "untried": "[dim]not tried[/]",
}
_DIAGNOSES = {True: "[green]ok[/]", False: "[red]no[/]", None: "–"}
_INDENT = " " * 8  # width of the labels `model`, `report` and `bundle` below the scores of a run

_BASELINE = "best\nbaseline"
# Columns to shrink or drop on a narrow terminal, as for `text_table.lines`; names and IDs are always whole.
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
_SHRINK_POINTS = [("parameters", 0), ("train s", 0), ("point", 30), ("seeds", 0), ("± over seeds", 0)]
_SHRINK_VERSIONS = [("why", 24), ("commit", 0), ("made", 0), ("why", 10), (_BASELINE, 0), ("why", 0), ("with", 12)]

_debug = False


@cache
def out() -> "Console":
    """Return the console for results."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(highlight=False, emoji=False, soft_wrap=True, width=width)


@cache
def err() -> "Console":
    """Return the console for messages."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, soft_wrap=True, stderr=True)


def terminal_width() -> int | None:
    """Return the number of characters of a line; None without a terminal."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return None
    return shutil.get_terminal_size().columns


def set_up(level: int, debug: bool) -> None:
    """Show gristmill's log from this level on; with `debug`, errors come with tracebacks."""
    global _debug
    _debug = debug
    handler = PlainLogHandler(say)
    for name in ("gristmill", "tasks"):
        shown = logging.getLogger(name)
        shown.setLevel(level)
        shown.propagate = False
        shown.handlers = [handler]


def debugging() -> bool:
    """Whether `--debug` was given."""
    return _debug


def is_quiet() -> bool:
    """Whether `--quiet` was given."""
    return not logger.isEnabledFor(logging.INFO)


def say(text: str) -> None:
    """Print a message."""
    err().print(text, markup=False)


def show_error(error: Exception) -> None:
    """Print an error."""
    for line in str(error).splitlines():
        err().print(f"[red]error:[/] {_escape(line)}")


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def show_status(pipelines: "list[Status]", everything: bool = True) -> None:
    """Print the status of pipelines; without `everything`, only count those that need data."""
    shown = [status for status in pipelines if everything or not status.needs_data]
    scores = [headline_pair(status.headline) if status.headline else ("", "") for status in shown]
    selected = [status.headline.selected or "" if status.headline else "" for status in shown]
    columns = [
        _column("pipeline", [status.name for status in shown]),
        _column("domain", [status.domain for status in shown]),
        _column("state", [_STATES[status.state] for status in shown]),
        _column("score", [score for score, _ in scores], numbers=True),
        _column(_BASELINE, [baseline for _, baseline in scores], numbers=True),
        *([_column("selected", selected)] if any(selected) else []),
        _column("champion", [f"v{status.champion}" if status.champion else "" for status in shown]),
        _column("about", [_escape(status.description) for status in shown]),
    ]
    if shown:
        _print_columns(columns, _SHRINK_PIPELINES)
    if hidden := len(pipelines) - len(shown):
        _print(f"{hidden}{' more' * bool(shown)} {'needs' if hidden == 1 else 'need'} data: gristmill ls --all")


def show_plan(name: str, steps: list[Step]) -> None:
    """Print the steps of a run with the reason for each, or that there is nothing to do."""
    if is_fresh(steps):
        candidates = [step for step in steps if step.stage.startswith("train ")]
        untried = sum(step.state == "untried" for step in candidates)
        left = f", {untried} of {len(candidates)} candidates not tried" if untried else ""
        print(f"{name}: all fresh, nothing to do{left}", flush=True)  # without rich
        return
    rows = []
    for (stage, state, reason), group in itertools.groupby(
        steps, lambda step: (_POINT.sub("", step.stage), step.state, step.reason)
    ):
        labels = [step.stage for step in group]
        label = labels[0] if len(labels) == 1 else f"{stage} x{len(labels)}"
        rows.append((label, _STATES[state], reason))
    show_name(name)
    _print_wrapped(("stage", "", "because"), rows)


def show_name(name: str) -> None:
    """Print the name of the pipeline that the next lines are about."""
    out().print(f"[bold]{_escape(name)}[/]")


def show_scores(scores: Scores) -> None:
    """Print scores of the model and of the baselines, best first, and whether the model beats them."""
    table = short_table(scores)
    names, *columns = zip(*table.rows, strict=True)
    bold = ["[bold]model[/]" if name == "model" else _escape(name) for name in names]
    numbers = [_column(heading, cells, True) for heading, cells in zip(table.headings[1:], columns, strict=True)]
    _print_columns([_column(table.headings[0], bold), *numbers], [(name, 0) for name in table.headings[:2:-1]])
    lines = [f"chosen  {selection_line(scores.selected)}"] if scores.selected else []
    for line in [*lines, f"model   {comparison(scores)}"]:
        _print("\n".join(textwrap.wrap(line, terminal_width() or len(line), subsequent_indent=_INDENT)))


def show_report(path: "Path") -> None:
    """Print the path of a report."""
    _print(f"report  {path}")


def show_bundle(folder: "Path", version: int | None = None) -> None:
    """Print the folder of exported models, on one line even if the terminal is narrow."""
    _print(f"bundle{f' of v{version}' if version else ''}  {folder}")


def show_logs(folder: "Path") -> None:
    """Print the command that opens TensorBoard on the logs of a training, and how to install it."""
    hint = "" if importlib.util.find_spec("tensorboard") else "    (needs: pip install tensorboard)"
    _print(f"logs    tensorboard --logdir {shlex.quote(str(folder))}{hint}")


def show_record(record: Record, scores: Scores | None, versions: Iterable[int] = ()) -> None:
    """Print a run: outcome, versions made from it, scores, lineage."""
    error = _escape(f" ({record.error})") if record.error else ""
    out().print(
        f"[bold]{_escape(record.pipeline)}[/] run {record.id}: {_outcome(record)}, {record.seconds:.1f} s{error}"
    )
    if record.overrides:
        _print(f"with {', '.join(record.overrides)}")
    if versions:
        _print(f"registered as {', '.join(f'v{number}' for number in versions)}")
    if scores:
        show_scores(scores)
    if retraining := record.retraining:
        since = f"since version {retraining.champion} was trained" if retraining.champion else "there was no champion"
        _print(f"news    {retraining.news}, {since}; {retraining.unjudged:,} not judged before")
        for alarm in retraining.drift.alarms if retraining.drift else []:
            _print(f"alarm   {alarm}")
        show_decision(record.pipeline, retraining)
    stages = record.stages.values()
    columns = {
        "stage": record.stages,
        "this run": ["fresh" if stage.cached else "made" for stage in stages],
        "key": [stage.reference["key"][:12] for stage in stages],
        "digest": [stage.reference["digest"][:12] for stage in stages],
        "s": [f"{stage.seconds:.1f}" for stage in stages],
    }
    _print_columns([_column(heading, cells) for heading, cells in columns.items()])


def show_decision(pipeline: str, retraining: Retraining) -> None:
    """Print the scores and the verdict of a retraining."""
    if judged := retraining.judgement:
        names, scores = zip(*judged.best_first, strict=True)
        bold = [f"[bold]{name}[/]" if name in (CHALLENGER, CHAMPION) else _escape(name) for name in names]
        shown = format_numbers(scores, digits=5)
        _print_columns([_column("judged on new data", bold), _column(judged.metric, shown, numbers=True)])
        if judged.interval:
            difference, low, high = format_numbers([judged.difference, *judged.interval])
            _print(
                f"the champion's error minus the challenger's: {difference} ({low} to {high}, "
                f"{CONFIDENCE_LEVEL:.0%} interval of {judged.items:,} items)"
            )
    version = f" as version {retraining.version}" if retraining.version else ""
    _print(f"{pipeline}: {retraining.verdict or 'not ended'}{version} ({retraining.why})")


def show_leaderboard(result: "SweepResult") -> None:
    """Print the points of a sweep, best first, and which one to take."""
    headings, rows = result.table.headings, result.table.rows
    columns = [
        _column(heading, map(_escape, cells), heading != "point")
        for heading, cells in zip(headings, zip(*rows, strict=True), strict=True)
    ]
    _print_columns(columns, _SHRINK_POINTS)
    _print(result.summary)
    show_report(result.report)


def show_runs(rows: "list[tuple[Record, Headline | None]]") -> None:
    """Print runs with their headline scores."""
    records = [record for record, _ in rows]
    columns = [
        _column("run", [record.id for record in records]),
        _column("outcome", [_outcome(record) for record in records]),
        _column("s", [f"{record.seconds:,.1f}" for record in records], numbers=True),
        *_headline_columns([headline for _, headline in rows]),
        _column("with", [_escape(", ".join(record.overrides)) for record in records]),
    ]
    _print_columns(columns, _SHRINK_RUNS)


def _outcome(record: Record) -> str:
    if record.retraining:
        return f"retraining, {record.retraining.verdict or record.outcome}"
    return f"trial, {record.outcome}" if record.trial else record.outcome


def show_models(versions: "list[Version]", champion: int | None, damaged: Container[int]) -> None:
    """Print versions; mark the champion and those with a damaged bundle."""
    marks = [
        ["[green]champion[/]"] * (version.number == champion) + ["[red]damaged[/]"] * (version.number in damaged)
        for version in versions
    ]
    columns = [
        _column("version", [f"v{version.number}" for version in versions]),
        _column("", map(" ".join, marks)),
        _column("made", [f"{version.made.astimezone():%Y-%m-%d %H:%M %Z}" for version in versions]),
        _column("run", [version.run for version in versions]),
        *_headline_columns([version.evaluated.summary for version in versions]),
        _column("commit", [_escape(str(version.git)) for version in versions]),
        _column("with", [_escape(", ".join(version.overrides)) for version in versions]),
        _column("why", [_escape(f"{it.decision['verdict']}: {it.decision['why']}") for it in versions]),
    ]
    _print_columns(columns, _SHRINK_VERSIONS)


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
    """Print a frame as CSV with six significant digits; `--output` files keep full precision."""

    def plain(value: Any) -> str:
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"  # an exponent is harder to read

    sys.stdout.write(frame.to_csv(index=False, float_format=plain))


def show_diagnoses(diagnoses: "list[Diagnosis]") -> None:
    """Print the findings of `doctor`."""
    _print_wrapped(("", "subject", "found"), [(_DIAGNOSES[it.sound], it.subject, it.found) for it in diagnoses])


def _print(text: str) -> None:
    out().print(text, markup=False)


def _escape(text: str) -> str:
    """Escape rich's markup."""
    from rich.markup import escape

    return escape(text)


def _column(heading: str, cells: Iterable[str], numbers: bool = False) -> TextColumn:
    """Return a column of cells with markup."""
    from rich.text import Text

    return TextColumn(heading, [Text.from_markup(cell, emoji=False) for cell in cells], numbers)


def _print_columns(columns: Sequence[TextColumn], shrink: Sequence[tuple[str, int]] = ()) -> None:
    for line in lines(columns, terminal_width(), shrink):
        out().print(line)


def _print_wrapped(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose last column holds sentences, which wrap on a narrow terminal."""
    *columns, sentences = zip(headings, *rows, strict=True)
    left = list(lines([_column(heading, cells) for heading, *cells in columns], None))
    indent = max(line.cell_len for line in left) + 2
    width = max(terminal_width() or WIDTH_WITHOUT_TERMINAL, indent + MIN_SENTENCE_WIDTH)
    for line, sentence in zip(left, sentences, strict=True):
        line.pad_right(indent - line.cell_len)
        text = textwrap.fill(sentence, width, initial_indent=" " * indent, subsequent_indent=" " * indent)
        line.append(text[indent:], "dim" if line is left[0] else "")
        line.rstrip()
        out().print(line)


def _headline_columns(headlines: Sequence[Headline | None]) -> list[TextColumn]:
    """Return columns of headline scores: validation set, test set, best baseline on the test set."""
    metrics = [headline.metric if headline else "" for headline in headlines]
    known = {metric for metric in metrics if metric}
    (metric,) = known if len(known) == 1 else ("score",)
    headings = {"validation": f"validation\n{metric}", "model": f"test\n{metric}", "baseline": _BASELINE}
    shown = format_numbers([getattr(headline, key, None) for headline in headlines for key in headings])
    columns = [_column(heading, shown[at :: len(headings)], True) for at, heading in enumerate(headings.values())]
    return columns if len(known) < 2 else [_column("metric", metrics), *columns]
