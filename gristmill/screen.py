"""What the command line shows: tables and bars on a terminal, plain lines elsewhere."""

import importlib.util
import itertools
import json
import logging
import shlex
import sys
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Any

from gristmill.console import err, escape, out
from gristmill.lines import Lines
from gristmill.plan import Step, is_fresh
from gristmill.result import scores_table
from gristmill.retraining import CHALLENGER, CHAMPION, LEVEL, Retraining
from gristmill.runs import Record

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from rich.table import Table

    from gristmill.doctor import Finding
    from gristmill.leaderboard import Place
    from gristmill.status import Status
    from gristmill.version import Version

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
_ABOUT = 60  # characters of what a pipeline is about, at most

_debug = False


def set_up(level: int, debug: bool) -> None:
    """Have gristmill's log shown from this level on; say whether errors come with tracebacks."""
    global _debug
    _debug = debug
    lines = Lines(say)
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


def show_status(found: "Iterable[Status]") -> None:
    """Print the catalogue."""
    from rich.text import Text

    table = _table("pipeline", "domain", "state", "score", "best baseline", "champion", "about")
    for status in found:
        table.add_row(
            status.name,
            status.domain,
            _STATES[status.state],
            *_headline(status.headline),
            f"v{status.champion}" if status.champion else "",
            Text(status.description),
        )
    _print(table)


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


def show_scores(scores: dict[str, Any]) -> None:
    """Print test scores, the model first, then the baselines from the best on."""
    found = scores_table(scores)
    table = _table(*found.headings)
    for name, *figures in found.rows:
        table.add_row("[bold]model[/]" if name == "model" else escape(name), *figures)
    _print(table)


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


def show_record(record: Record, scores: dict[str, Any] | None, versions: Iterable[int] = ()) -> None:
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
        table = _table("judged on what came", judged.metric)
        for name, score in judged.best_first:
            table.add_row(f"[bold]{name}[/]" if name in (CHALLENGER, CHAMPION) else escape(name), f"{score:.5g}")
        _print(table)
        if judged.interval:
            low, high = judged.interval
            out().print(
                f"the champion's error less the challenger's: {judged.difference:.4g} ({low:.4g} to {high:.4g}, "
                f"{LEVEL:.0%} interval of {judged.items:,} items)",
                markup=False,
            )
    version = f" as version {found.version}" if found.version else ""
    out().print(f"{pipeline}: {found.verdict or 'not ended'}{version} ({found.why})", markup=False)


def show_leaderboard(places: "list[Place]", report: "Path") -> None:
    """Print the points of a sweep, the best first, and which one to take."""
    from gristmill.pages.sweep import leaderboard, verdict

    found = leaderboard(places)
    table = _table(*found.headings)
    for row in found.rows:
        table.add_row(*map(escape, row))
    _print(table)
    out().print(verdict(places), markup=False)
    out().print(f"report  {report}", markup=False)


def show_runs(rows: "list[tuple[Record, dict[str, Any] | None]]") -> None:
    """Print runs side by side."""
    table = _table("run", "outcome", "s", "score", "best baseline", "with")
    for record, headline in rows:
        overrides = escape(", ".join(record.overrides))
        table.add_row(record.id, _outcome(record), f"{record.seconds:.1f}", *_headline(headline), overrides)
    _print(table)


def _outcome(record: Record) -> str:
    kind = "trial, " if record.trial else ""
    return f"retraining, {record.retraining.verdict or record.outcome}" if record.retraining else kind + record.outcome


def show_models(versions: "Iterable[Version]", champion: int | None, damaged: Container[int]) -> None:
    """Print versions side by side; which one is the champion, which cannot be used."""
    table = _table("version", "", "made", "run", "score", "best baseline", "commit", "why")
    for version in versions:
        score, baseline = _headline(version.scores["headline"])
        serves = "[green]champion[/] " if version.number == champion else ""
        mark = f"{serves}[red]damaged[/]" if version.number in damaged else serves
        sets = f", with {', '.join(version.overrides)}" if version.overrides else ""
        why = escape(f"{version.decision['verdict']}: {version.decision['why']}{sets}")
        made = f"{version.made.astimezone():%Y-%m-%d %H:%M %Z}"
        table.add_row(f"v{version.number}", mark, made, version.run, score, baseline, str(version.git), why)
    _print(table)


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


def show_findings(findings: "list[Finding]") -> None:
    """Print what the doctor found."""
    table = _table("", "subject", "found")
    for finding in findings:
        table.add_row(_FINDINGS[finding.sound], finding.subject, escape(finding.found))
    _print(table)


def _table(*headings: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        if heading == "about":
            table.add_column(heading, overflow="ellipsis", no_wrap=True, max_width=_ABOUT)
        else:
            table.add_column(heading, overflow="fold")
    return table


def _print(table: "Table") -> None:
    """Print a table without the blanks that fill its last column."""
    from rich.text import Text

    for line in out().render_lines(table, pad=False):
        text = Text.assemble(*((segment.text, segment.style or "") for segment in line))
        text.rstrip()
        out().print(text)


def _number(value: Any) -> str:
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"  # no exponent where the digits can be written


def _headline(headline: dict[str, Any] | None) -> tuple[str, str]:
    """Return a model's score and its best baseline's as a table shows them."""
    if not headline:
        return "", ""
    return f"{headline['metric']} {headline['model']:.4g}", f"{headline['baseline']:.4g}"
