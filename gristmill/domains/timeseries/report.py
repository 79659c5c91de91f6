"""Report on time series: scores, forecast, residuals, training, patterns and data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common import permutation_importance
from gristmill.domains.timeseries import plots
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import FORECAST, PARTS, Prepared
from gristmill.domains.timeseries.forecasts import read_first_series
from gristmill.domains.timeseries.patterns import decomposition
from gristmill.domains.timeseries.scores.score_table import SCORES, read_scores
from gristmill.errors import count_of
from gristmill.reports.columns import importance_sections, statistics_table
from gristmill.reports.learning import LEARNING_ALT, learning_figure, training_sections
from gristmill.reports.pictures import as_png, as_svg
from gristmill.reports.scores import PART_NAMES, metric_name, scores_section
from gristmill.reports.sections import Section, Table
from gristmill.scores import MODEL, Scores
from gristmill.settings.number_text import MISSING, format_number, format_numbers, score_column
from gristmill.util.table_io import read_document, read_table

METRICS = {name: metric_name(name) for name in ("mae", "rmse", "mape", "smape", "mase", "rmsse", "skill")}
METRICS |= {"mape": "MAPE %", "smape": "sMAPE %"}
INTERVALS = {name: metric_name(name) for name in ("wql", "coverage", "width")}

_MAX_STEPS_LISTED = 12  # after the end of the data
_MAX_SERIES_LISTED = 12  # half of them with the lowest skill, half with the highest


class ForecastScores(Scores):
    """Content of `scores.json` of a forecast."""

    level: float = 0.0  # nominal coverage of the intervals
    calibrated_on: str | None = None
    anomalies: dict[str, Any] | None = None
    segments: dict[str, Any]


@dataclass(frozen=True)
class ReportData:
    """Artifacts of a run, read once."""

    folders: dict[str, Path]
    data: Prepared
    scores: ForecastScores
    table: pd.DataFrame

    def by(self, what: str) -> pd.DataFrame:
        """Return the scores of the test set by step or channel."""
        return self.table[(self.table["by"] == what) & (self.table["part"] == "test")]


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report on the artifacts of a run."""
    data, evaluated = dataset.read(folders["preprocess"]), folders["evaluate"]
    report = ReportData(folders, data, ForecastScores.read(evaluated), read_scores(evaluated))
    yield scores_section(report.scores, METRICS | INTERVALS, *remarks(report.scores))
    yield from after_sections(report)
    yield from forecast_sections(report)
    yield from score_sections(report)
    yield from importance_sections(evaluated / permutation_importance.IMPORTANCE_FILE)
    yield from training_sections(folders["train"])
    if "refit" in folders:
        yield refit_section(report)
    yield patterns_section(report)
    yield data_section(report)


def headline_picture(folders: dict[str, Path]) -> bytes:
    """Return a PNG of forecast and truth, from the folder of `evaluate`."""
    best = Scores.read(folders["evaluate"]).best_baseline
    return as_png(plots.forecast_figure(one_step(read_first_series(folders["evaluate"], "test")), best))


def one_step(predictions: pd.DataFrame, channel: str | None = None) -> pd.DataFrame:
    """Return the one-step forecasts of a series and one channel, in the order of time."""
    rows: pd.DataFrame = predictions[predictions["step"] == 1]
    return rows[rows["channel"] == (channel or rows["channel"].iloc[0])]


def remarks(scores: ForecastScores) -> Iterator[str]:
    """Yield remarks on the validation set, the intervals and the meaning of skill."""
    yield _on_validation(scores)
    if (coverage := scores.model["test"].get("coverage")) is not None:
        yield f"Its {scores.level:.0%} intervals covered {coverage:.1%} of the test set."
    if scores.model["test"].get("mase", 0.0) is None:
        yield "MASE and RMSSE have no value: before the test set, no series differs from its seasonal naive forecast."
    if coverage is not None and scores.model["test"].get("wql") is None:
        yield "WQL has no value: all values of the test set are 0."
    yield "Skill is the share of the naive forecast's error that is saved."


def _on_validation(scores: Scores) -> str:
    """Return the comparison with the best baseline on the validation set where it differs from that on the test set."""
    _, *baselines = scores.best_first("validation")
    if not baselines:
        return ""
    name, by_part = baselines[0]
    model, error = scores.validation, by_part["validation"][scores.metric]
    if model is None or error is None or scores.headline.beats_baseline == (model < error):
        return ""
    relation, shown = "beats" if model < error else "does not beat", format_numbers([model, error])
    return f"On the validation set it {relation} {name}: {shown[0]} against {shown[1]}."


def after_sections(report: ReportData) -> Iterator[Section]:
    """Yield the forecast of the first series after the end of the data, if the exported model has made one."""
    export = report.folders.get("export")
    if export is None or not (export / FORECAST).exists():
        return
    forecast, data = read_table(export / FORECAST), report.data.only(slice(0, 1))
    targets = data.layout.targets
    pictures = [
        as_svg(plots.after_figure(data, name, forecast), f"The last values of {name}, and the forecast after them")
        for name in targets
    ]
    which, count = "after the end of the data", len(report.data.ids)
    if count > 1:
        which = f"of {data.ids[0]}, the first of {count:,} series, after its end"
    note = f"The forecast {which}, {_time(data.times[-1])}. gristmill predict prints all forecasts."
    if len(forecast) > _MAX_STEPS_LISTED:
        note += f" The table has the first {_MAX_STEPS_LISTED} of {len(forecast):,} steps."
    first, names = forecast.head(_MAX_STEPS_LISTED), list(map(str, forecast.columns[1:]))
    size = len(names) // len(targets)  # a target, then its quantiles, of which the outermost are listed
    names = [names[at + step] for at in range(0, len(names), size) for step in sorted({0, min(1, size - 1), size - 1})]
    columns = [map(_time, first["ds"]), *(format_numbers(first[name].tolist(), digits=5) for name in names)]
    table = Table.of_columns("", ["time", *names], columns)
    yield Section("Forecast after the end of the data", note, pictures, [table])


def forecast_sections(report: ReportData) -> Iterator[Section]:
    """Yield forecast and truth with anomalies, and the residuals."""
    # Draw the first series with its anomalies, one step ahead.
    test = read_first_series(report.folders["evaluate"], "test")
    path = report.folders["evaluate"] / "anomalies.parquet"
    flagged = read_table(path) if path.exists() else pd.DataFrame({"unique_id": [], "channel": []})
    pictures = []
    for channel in report.data.layout.targets:
        first = one_step(test, channel)
        of_channel = flagged[(flagged["unique_id"] == first["unique_id"].iloc[0]) & (flagged["channel"] == channel)]
        figure = plots.forecast_figure(first, report.scores.best_baseline, of_channel)
        pictures.append(as_svg(figure, f"True values of {channel} in the test set, and forecasts of them"))
    # Say what the picture has, and what a forecast after the end of the data needs.
    layout = report.data.layout
    note = "The test set, each value forecast one step ahead"
    if layout.horizon > 1:
        note += f"; the model forecasts {layout.horizon} at once"
    if len(report.data.ids) > 1:
        note += f"; the first of {len(report.data.ids):,} series"
    if anomalies := report.scores.anomalies:
        note += f". Values outside the interval of {anomalies['level']:.1%}: {anomalies['flagged']:,}"
        note += _searched(anomalies, len(report.data.ids))
    if "export" in report.folders and (known := read_document(report.folders["ingest"] / "summary.json")["known"]):
        note += f". gristmill predict forecasts after the end of the data: it needs values of {', '.join(known)} there"
    yield Section("Forecast and truth", f"{note}.", pictures=pictures)
    residuals = as_svg(plots.residual_figure(one_step(test)), "Residuals over time, and their histogram")
    yield Section("Residuals", "Truth minus forecast, one step ahead, on the test set.", pictures=[residuals])


def score_sections(report: ReportData) -> Iterator[Section]:
    """Yield the scores by step, channel, series and block of the backtest, if there are several."""
    best = report.scores.best_baseline
    if len(steps := report.by("step")):
        picture = as_svg(plots.step_figure(steps, best), "Mean absolute error by step of the horizon")
        yield Section("By step of the horizon", "", pictures=[picture], tables=[grouped_table(steps, best)])
    if len(channels := report.by("channel")):
        yield Section("By channel", "", tables=[grouped_table(channels, best)])
    if len(report.data.ids) > 1:
        of_series = partial(read_table, report.folders["evaluate"] / SCORES, by="series", part="test")
        worst = of_series(columns=["group", "skill"], forecaster=MODEL).sort_values("skill")["group"]
        half = _MAX_SERIES_LISTED // 2
        chosen = [*worst.head(half), *worst.iloc[half:].tail(half)]
        note = f"{len(worst):,} series: those with the lowest and the highest skill. All are in scores.parquet."
        listed = of_series(group=chosen).set_index("group").loc[chosen].reset_index()
        yield Section("By series", note, tables=[grouped_table(listed, best)])
    if summary := report.scores.backtest:
        blocks = read_table(report.folders["evaluate"] / "backtest.parquet")
        drawn = best if best in set(blocks["forecaster"]) else "naive"
        picture = as_svg(plots.backtest_figure(blocks, drawn), "Mean absolute error of each block of the backtest")
        yield Section("Backtest", backtest_note(report.scores, summary), [picture], [backtest_table(summary)])


def grouped_table(rows: pd.DataFrame, best: str) -> Table:
    """Return the model's scores for each group, and the error of the best baseline."""
    metrics = {key: name for key, name in (METRICS | INTERVALS).items() if key in rows}
    baseline = rows[rows["forecaster"] == best].set_index("group")["mae"]
    model = rows[rows["forecaster"] == "model"]
    columns = {"": model["group"].tolist()}
    columns |= {name: score_column(key, _known(model[key])) for key, name in metrics.items()}
    return _table(columns | {f"MAE of {best}": score_column("mae", _known(baseline.loc[model["group"]]))})


def backtest_note(scores: ForecastScores, summary: dict[str, Any]) -> str:
    """Return the description of the blocks and the coverage of their intervals."""
    networks = "a network" if summary["seeds"] == 1 else f"{summary['seeds']} networks"
    note = (
        f"Blocks before the test set ({summary['windows']}), each forecast by {networks} trained on the data before "
        "it. ± is the standard deviation of the MAE over blocks, and over seeds."
    )
    if coverage := summary["forecasters"]["model"].get("coverage"):
        how = ", calibrated on the other blocks," if scores.calibrated_on else ""
        note += f" The {scores.level:.0%} intervals{how} covered {coverage['mean']:.1%}."
    return note


def backtest_table(summary: dict[str, Any]) -> Table:
    """Return mean and spread of the errors over blocks and seeds."""
    named = summary["forecasters"]
    names = sorted(named, key=lambda name: (name != "model", named[name]["mae"]["mean"]))
    columns = {"forecast": names}
    for key, heading in METRICS.items():
        columns[heading] = score_column(key, [named[name][key]["mean"] for name in names])
    for heading, over in {"± blocks": "over_windows", "± seeds": "over_seeds"}.items():
        columns[heading] = score_column("mae", [named[name]["mae"][over] for name in names])
    return _table(columns)


def refit_section(report: ReportData) -> Section:
    """Return the description of the exported network, which was trained once more on all data."""
    folder = report.folders["refit"]
    training, epochs = read_document(folder / "training.json"), read_table(folder / "epochs.parquet")
    note = (
        f"The exported network was trained once more by the tested recipe, on all {len(report.data.values):,} "
        "observations. The scores are those of the tested network."
    )
    if not len(epochs):
        return Section("Refit", note)
    rate = format_number(training["learning_rate"], 3)
    note += f" It ran {training['epochs']} epochs from a learning rate of {rate}."
    return Section("Refit", note, pictures=[as_svg(learning_figure(epochs, training["best_epoch"]), LEARNING_ALT)])


def patterns_section(report: ReportData) -> Section:
    """Return trend, season, remainder and autocorrelation of the longest training series."""
    folder = report.folders["evaluate"]
    notes = read_document(folder / "patterns.json")
    parts = plots.decomposition_figure(read_table(folder / "decomposition.parquet"))
    lags = plots.autocorrelation_figure(notes["autocorrelations"], notes["bound"], notes["season"])
    pictures = [as_svg(parts, "Trend, season and remainder of the series"), as_svg(lags, "Autocorrelation by lag")]
    return Section("Patterns in the training set", " ".join(decomposition.sentences(notes)), pictures=pictures)


def data_section(report: ReportData) -> Section:
    """Return the series with their parts and change points, repairs and statistics."""
    summary, data = read_document(report.folders["ingest"] / "summary.json"), report.data
    segments = read_table(report.folders["evaluate"] / "segments.parquet")
    pictures = [
        as_svg(plots.series_figure(data, 0, at, segments), f"Values of {name} over time, by part, with change points")
        for at, name in enumerate(data.layout.targets)
    ]
    note = f"{data_note(summary, report.scores.segments)}{own_parts_note(data)}"
    return Section("Data", note, pictures, [parts_table(data), statistics_table("Columns", summary)])


def own_parts_note(data: Prepared) -> str:
    """Return how many series have held-out parts, if each is split before its own end."""
    if data.layout.split == "time":
        return ""
    tested, validated = (int(np.count_nonzero(np.diff(data.part(part)))) for part in ("test", "validation"))
    return (
        f" Each series is split before its own end: of {len(data.ids):,} series, {tested:,} have a test set and "
        f"{validated:,} a validation set."
    )


def data_note(summary: dict[str, Any], segments: dict[str, Any]) -> str:
    """Return the description of the data: observations, repairs and segments."""
    counts = summary["counts"]
    repairs = ", ".join(count_of(count, name.replace("_", " ")) for name, count in counts.items() if name != "rows")
    return (
        f"{counts['rows']:,} observations of {', '.join(summary['targets'])}, frequency {summary['frequency']}; "
        f"{repairs or 'nothing had to be repaired'}. Segments between change points: {segments['found']:,}"
        f"{_searched(segments, summary['series'])}."
    )


def _searched(summary: dict[str, Any], total: int) -> str:
    """Return how many series were searched, if not all were."""
    return f", in {summary['series']:,} of {total:,} series" if summary["series"] < total else ""


def parts_table(data: Prepared) -> Table:
    """Return the ranges of the parts of the first series."""
    rows = []
    for part in PARTS:
        begin, end = data.part(part)[0]
        if end > begin:
            times = [_time(data.times[at]) for at in (begin, end - 1)]
            rows.append([PART_NAMES[part], f"{end - begin:,}", f"{len(data.origins(part)):,}", *times])
    title = "Parts" if len(data.ids) == 1 else f"Parts of {data.ids[0]}; windows of all {len(data.ids):,} series"
    return Table(title, ["part", "observations", "windows", "first", "last"], rows)


def _table(columns: Mapping[str, list[str]]) -> Table:
    """Return a table of columns by heading, without those that have no value."""
    kept = {heading: cells for heading, cells in columns.items() if {*cells} != {MISSING}}
    return Table.of_columns("", [*kept], kept.values())


def _known(values: "pd.Series[float]") -> list[float | None]:
    return [None if pd.isna(value) else value for value in values.tolist()]


def _time(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M}".removesuffix(" 00:00") if isinstance(at, pd.Timestamp) else str(at)
