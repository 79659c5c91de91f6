"""The report on logged predictions: their scores by day and slice, and drift."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.monitoring.prediction_columns import PERIODS
from gristmill.reports.page import page_name, render_page
from gristmill.reports.pictures import BASELINE, MODEL, as_svg, canvas, legend
from gristmill.reports.retraining import drift_section
from gristmill.reports.sections import Section, Table
from gristmill.settings.number_text import score_rows
from gristmill.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from gristmill.monitoring.live_rows import Monitoring

Scored = dict[str, Any]  # scores by metric, None for a missing one, and numbers of values

COUNTS = ("predicted", "scored", "not scored")

_MAX_TICKS = 8  # dates on an axis
_MAX_GROUPS = 100  # of each kind, on the page
_COMPARED = "Predictions, compared with the test set, and inputs, compared with the training data"


def write_monitoring(monitoring: "Monitoring", description: str, store: Store) -> Path:
    """Render the report on logged predictions and return its path: `reports/<pipeline>.monitor.html` in the store."""
    name, facts = page_name(monitoring.pipeline, "monitor"), {"since": f"{monitoring.first:%Y-%m-%d %H:%M} UTC"}
    return render_page(store, name, monitoring.pipeline, description, facts, sections(monitoring))


def sections(monitoring: "Monitoring") -> Iterator[Section]:
    """Yield the sections of the report."""
    yield Section("Scores", f"{monitoring.headline.partition(': ')[2]}.", tables=[score_table(monitoring)])
    for by, groups in monitoring.groups(_MAX_GROUPS):
        in_time, count = by in PERIODS, int((monitoring.table["by"] == by).sum())
        pictures = [_over_time(monitoring, groups)] if in_time and groups[monitoring.metric].notna().sum() > 1 else []
        note = f"The {'last' if in_time else 'worst'} {len(groups):,} of {count:,}." if len(groups) < count else ""
        table = _table(by, zip(groups["group"], _records(groups), strict=True), monitoring.metric)
        yield Section(f"By {by}", note, pictures=pictures, tables=[table])
    yield drift_section(monitoring.drift, _COMPARED)


def score_table(monitoring: "Monitoring", max_groups: int = 0) -> Table:
    """Return the scores of the model that serves, of all versions, on the test set, and of some groups of each kind."""
    overall, served = _records(monitoring.table.iloc[:1])[0], _records(monitoring.served)[0]
    several = overall["predicted"] > served["predicted"]
    named = [
        (served["group"], served),
        *([("all versions", overall)] if several else []),
        ("tested", monitoring.tested),
    ]
    for by, groups in monitoring.groups(max_groups) if max_groups else ():
        named += zip(by + " " + groups["group"], _records(groups), strict=True)
    return _table("", named, monitoring.metric)


def _table(heading: str, named: Iterable[tuple[str, Scored]], metric: str) -> Table:
    """Return a table of scores: what they are of, the numbers of values, the metric, and coverage if there is any."""
    listed = list(named)
    metrics = [metric, *(["coverage"] if any(scores["coverage"] is not None for _, scores in listed) else [])]
    rows = score_rows(metrics, listed)
    for row, (_, scores) in zip(rows, listed, strict=True):
        row[1:1] = [f"{scores[count]:,.0f}" if count in scores else "" for count in COUNTS]
    return Table("", [heading, *COUNTS, *metrics], rows)


def _records(groups: "pd.DataFrame") -> list[Scored]:
    """Return the scores of each group, None for a missing one, and the number of values without a score."""
    groups = groups.assign(**{"not scored": groups["predicted"] - groups["scored"]})
    records = groups.astype(object).where(groups.notna(), None).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]


def _over_time(monitoring: "Monitoring", groups: "pd.DataFrame") -> str:
    """Draw the score by day or month, and that on the test set."""
    figure, (axes,) = canvas(2.6)
    axes.plot(groups["group"], groups[monitoring.metric], "o-", color=MODEL, markersize=4, label="predictions")
    if (tested := monitoring.tested[monitoring.metric]) is not None:
        axes.axhline(tested, color=BASELINE, linestyle="--", label="tested")
    axes.set_ylabel(monitoring.metric)
    axes.set_xticks(range(0, len(groups), -(-len(groups) // _MAX_TICKS)))
    legend(axes)
    return as_svg(figure, f"{monitoring.metric} of the predictions over time")
