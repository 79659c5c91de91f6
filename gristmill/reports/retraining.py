"""The report on a retraining: new data, drift, errors of challenger, champion and baselines, and the decision."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gristmill.config.domains import domain_of
from gristmill.errors import CorruptArtifact, StoreError
from gristmill.reports.page import page_name, render_page
from gristmill.reports.pictures import ACCENT, BASELINE, MODEL, as_svg, canvas, legend, whole_numbers
from gristmill.reports.run import run_facts
from gristmill.reports.scores import metric_name
from gristmill.reports.sections import BEST, Section, Table
from gristmill.retraining.known_data import good_runs
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, CONFIDENCE_LEVEL, Drift, Judgement, Retraining
from gristmill.settings.number_text import format_number, format_numbers
from gristmill.store.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_RETRAININGS_LISTED = 50


def write_retraining(record: Record, description: str, store: Store) -> Path:
    """Render the report on a retraining and return its path: `reports/<pipeline>.retraining.html` in the store."""
    name = page_name(record.pipeline, "retraining")
    return render_page(store, name, record.pipeline, description, run_facts(record), sections(record, Runs(store)))


def sections(record: Record, runs: Runs) -> Iterator[Section]:
    """Yield the sections of the report."""
    if record.set_aside:
        yield _set_aside(record, runs)
    if retraining := record.retraining:
        yield from _of_retraining(record, retraining)
    yield _all_retrainings(record.pipeline, runs, retraining.winner_changes if retraining else "")


def _set_aside(record: Record, runs: Runs) -> Section:
    """Return the section on data that was set aside, with a picture of it and of the data in use, if both are left."""
    rows = [[rule, text] for rule, text in record.set_aside.items()]
    note = (
        f"Run {record.id} read new data that breaks rules for arrivals, so the last good data stays in use. Fix the "
        f"source. If the data is right: gristmill retrain {record.pipeline} --accept."
    )
    last = next(good_runs(record.pipeline, record.settings, runs.store), None)
    pictures: list[str] = []
    with suppress(CorruptArtifact, StoreError):
        if last and "ingest" in record.references:
            folders = (runs.store.open_verified(run.references["ingest"]).path for run in (record, last))
            draw = domain_of(record.domain).retraining.load().draw_arrival
            pictures = [as_svg(figure, "New data and data in use") for figure in draw(*folders)]
    return Section("Data set aside", note, pictures, [Table("", ["rule", "why"], rows, words=True)])


def _of_retraining(record: Record, retraining: Retraining) -> Iterator[Section]:
    yield Section(
        "Decision",
        f"{(retraining.verdict or 'not ended').capitalize()}: {retraining.why or record.error or record.outcome}.",
    )
    yield _new_data(retraining)
    if retraining.drift:
        yield drift_section(retraining.drift)
    if retraining.judgement:
        yield _judgement(retraining, retraining.judgement)


def _new_data(retraining: Retraining) -> Section:
    since = f"since version {retraining.champion} was trained" if retraining.champion else "there is no champion yet"
    counts = {
        "after the last known": retraining.news.later,
        "late, before it": retraining.news.late,
        "revised": retraining.news.revised,
        "removed": retraining.news.removed,
        "not judged by any retraining yet": retraining.unjudged,
    }
    rows = [[what, f"{count:,}"] for what, count in counts.items()]
    silent = (
        f" The source is silent: its newest data is from {retraining.silent_since:%Y-%m-%d %H:%M} UTC."
        if retraining.silent_since
        else ""
    )
    return Section(
        "New data", f"Rows, {since}: {retraining.news}.{silent}", tables=[Table("", ["rows", "count"], rows)]
    )


def drift_section(drift: Drift, inputs: str = "Inputs, compared with the training data") -> Section:
    """Return the signs of drift; `inputs` is the title of those that are not errors."""
    tables = []
    if drift.errors:
        facts = drift.errors.model_dump(exclude={"alarm"})
        cells = [f"{value:,}" if isinstance(value, int) else format_number(value) for value in facts.values()]
        headings = [name.replace("_", " ") for name in facts]
        tables.append(Table("The champion's errors on new data, compared with held-out data", headings, [cells]))
    if drift.inputs:
        rows = [
            [sign.name, sign.test, f"{sign.statistic:.3f}", format_number(sign.probability, 2)] for sign in drift.inputs
        ]
        headings = ["column", "test", "statistic", "probability"]
        tables.append(Table(inputs, headings, rows))
    if sign := drift.baseline:
        cells = [format_number(value) for value in (sign.champion, sign.baseline, sign.probability)]
        headings = ["metric", "champion", sign.name, "probability"]
        tables.append(Table("The champion and the best baseline", headings, [[sign.metric, *cells]]))
    alarms = f"Alarm: {'; '.join(drift.alarms)}" if drift.alarms else "No alarm"
    note = (
        f"{alarms}. Probabilities of errors and inputs are adjusted for the number of tests, and those of series for "
        "repeated tests. An alarm needs a probability below 5 % for series, and below 1 % for examples. The comparison "
        "with a baseline is a test of its own."
    )
    return Section("Drift", note, tables=tables)


def _judgement(retraining: Retraining, judgement: Judgement) -> Section:
    cells = list(zip(*judgement.rows, strict=True))
    note = f"Judged on {judgement.items:,} items that no model was trained on; lower is better."
    if judgement.best_baseline:
        note += f" The best baseline on earlier data was {judgement.best_baseline}."
    if retraining.winner:
        origin = "the champion's recipe, fitted on new data" if retraining.kept_recipe else "selected"
        note += f" The challenger is {' + '.join(retraining.winner)}: {origin}."
    if judgement.change:
        difference, low, high = format_numbers(judgement.change)
        note += (
            f" The {metric_name(judgement.metric)} of the challenger minus that of the champion is {difference} "
            f"({CONFIDENCE_LEVEL:.0%} bootstrap interval of {judgement.items_in_words}: {low} to {high}; negative is "
            "better)."
        )
    pictures = [as_svg(_errors_figure(judgement), "Errors over the judged items")] if judgement.over_time else []
    tables = [Table.of_columns("", ["", metric_name(judgement.metric)], cells, marks={0: BEST})]
    return Section("Challenger, champion, baselines", note, pictures, tables)


def _errors_figure(judgement: Judgement) -> "Figure":
    """Plot the errors of challenger, champion and best baseline over the judged items."""
    import numpy as np

    figure, (axes,) = canvas(2.6)
    colours = {CHALLENGER: MODEL, CHAMPION: ACCENT}
    for name, errors in judgement.over_time.items():
        items = (np.arange(len(errors)) + 0.5) * judgement.items / len(errors)
        axes.plot(items, errors, color=colours.get(name, BASELINE), label=name)
    axes.set_xlabel("judged item, in order of time if there is one")
    axes.set_ylabel(metric_name(judgement.metric))
    whole_numbers(axes)
    legend(axes)
    return figure


def _all_retrainings(pipeline: str, runs: Runs, changes: str) -> Section:
    records = (record for record in runs.newest_first(pipeline) if record.retraining or record.set_aside)
    listed = list(islice(records, _MAX_RETRAININGS_LISTED))
    rows = [[f"{record.started:%Y-%m-%d %H:%M}", *_cells(record)] for record in listed]
    headings = ["retraining", "verdict", "version", "winner", "rows", "alarms", "why"]
    return Section("All retrainings", changes, tables=[Table("", headings, rows, words=True)])


def _cells(record: Record) -> list[str]:
    """Return the result of a retraining, or of a run that set its data aside."""
    retraining = record.retraining
    if retraining is None:
        return ["data set aside", "", "", "", "", f"it breaks {', '.join(record.set_aside)}"]
    return [
        retraining.verdict or record.outcome,
        f"v{retraining.version}" if retraining.version else "",
        " + ".join(retraining.winner),
        str(retraining.news),
        f"{len(retraining.drift.alarms)}" if retraining.drift else "",
        retraining.why,
    ]
