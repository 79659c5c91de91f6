"""Scores in words and tables: whether the model beats its best baseline, and all scores side by side."""

import math
from collections.abc import Mapping

from gristmill.errors import count_of
from gristmill.reports.sections import BEST, Section, Table
from gristmill.scores import Headline, Scores, Selected, rank
from gristmill.settings.number_text import format_number, format_numbers, score_column, score_rows

_MAX_SHARE = 100  # of the baseline's error: an almost exact baseline makes percentages meaningless
_ACRONYMS = ("mae", "rmse", "mse", "mape", "mase", "rmsse", "wql", "f1", "ece")
_NAMES = {"smape": "sMAPE", "r2": "R²", "roc_auc": "ROC-AUC", "brier": "Brier"}
PARTS = ("test", "validation", "train")  # in the order in which a report shows their scores
PART_NAMES = {"test": "test", "validation": "validation", "train": "training"}


def metric_name(metric: str) -> str:
    """Return a metric as sentences and axes name it: `MAE` of `mae`, `log loss` of `log_loss`."""
    return _NAMES.get(metric) or (metric.upper() if metric in _ACRONYMS else metric.replace("_", " "))


def scores_section(scores: Scores, metrics: Mapping[str, str], *remarks: str) -> Section:
    """Return the first section of a report: the verdict, warnings and a domain's remarks, and a table for each part.

    `metrics` are the headings of metrics; one without a score has no column.
    """
    # Compare the model with its best baseline.
    metric, (model, baseline), name = metrics[scores.metric], scores.headline.pair, scores.best_baseline
    secondary = scores.headline.secondary_metric
    others = f" ({metrics[secondary]} {' against '.join(_pair(scores, secondary))})" if secondary else ""
    if scores.calibrates_baseline:
        figures = f"{metric} is {model} with calibration and {baseline} without{others}"
        verdict = f"The model is its best baseline, {name}, with calibrated probabilities. On the test set, {figures}"
    else:
        relation, lead = _relation(scores)
        relation = relation if relation == "beats" else f"is {relation}"
        figures = f"{metric} {model} against {baseline}{others}"
        verdict = f"The model {relation} its best baseline, {name}, on the test set{lead}: {figures}"
    # Add what else the reader should know.
    verdict += ". Nothing was fitted on the test set."
    tables = [scores_table(scores, part, metrics) for part in PARTS if part in scores.model]
    warnings = [f"Warning: {warning}." for warning in scores.warnings]
    return Section("Scores", " ".join([verdict, *warnings, *filter(None, remarks)]), tables=tables)


def scores_table(scores: Scores, part: str, metrics: Mapping[str, str]) -> Table:
    """Return the scores of one part: the model first, then the baselines, the best first."""
    named = [(name, by_part[part]) for name, by_part in scores.best_first(part)]
    shown = {key: name for key, name in metrics.items() if any(values.get(key) is not None for _, values in named)}
    ranks = [rank(values[scores.metric], scores.higher_is_better) for _, values in named]
    rows, marks = score_rows(shown, named), {ranks.index(min(ranks)): BEST}
    title, headings = f"{PART_NAMES[part].capitalize()} set", ["model or baseline", *shown.values()]
    return Table(title, headings, rows, folded=part != "test", marks=marks)


def short_table(scores: Scores) -> Table:
    """Return the scores to show if space is limited.

    These are the metric of the headline on the validation and the test set, then the other metrics on the test set. The
    first two headings have a line for the part and one for the metric.
    """
    first = scores.metric
    others = [metric for metric in scores.shown if metric != first]
    named = list(scores.best_first("test"))
    headline = [by_part.get(part, {}).get(first) for _, by_part in named for part in ("validation", "test")]
    shown = score_column(first, headline)  # both parts in the same decimals
    rows = score_rows(others, [(name, by_part["test"]) for name, by_part in named])
    for row, validation, test in zip(rows, shown[::2], shown[1::2], strict=True):
        row[1:1] = [validation, test]
    return Table("", ["scores", f"validation\n{first}", f"test\n{first}", *others], rows)


def headline_pair(headline: Headline) -> tuple[str, str]:
    """Return the model's score with its metric, and the best baseline's score: `mae 12.92` and `12.96`."""
    model, baseline = headline.pair
    return f"{headline.metric} {model}", baseline


def comparison(scores: Scores) -> str:
    """Return one line that compares the model with its best baseline.

    `beats the best baseline by 12.3%: test log loss 0.312, logistic 0.356 (accuracy 0.91, 0.89)`.
    """
    model, baseline = scores.headline.pair
    name, (relation, lead) = scores.best_baseline, _relation(scores)
    verdict, compared = f"{relation} the best baseline{lead}", name
    if scores.calibrates_baseline:
        verdict, compared = f"the best baseline, {name}, with calibrated probabilities", "uncalibrated"
    figures = f"test {_metric_in_words(scores.metric)} {model}, {compared} {baseline}"
    if secondary := scores.headline.secondary_metric:
        figures += f" ({_metric_in_words(secondary)} {', '.join(_pair(scores, secondary))})"
    advice = "; consider other settings, or the baseline" if verdict.startswith("worse than") else ""
    return f"{verdict}: {figures}{advice}"


def selection_line(selected: Selected, untried: int = 0) -> str:
    """Return one line about the selected candidates; `untried` is the number of those that the budget left out.

    `60% theta + 40% ridge won: mae 0.812 on backtest, 2.1% better than 0.829 of theta alone; 9 candidates, 1 left out`.
    """
    loss, best = format_numbers([selected.loss, selected.best_loss])
    gain = 1 - selected.loss / selected.best_loss if selected.best_loss else 0.0
    won = "" if gain < 0 else " won"
    line = f"{selected.name}{won}: {selected.metric} {loss} on {selected.on}"
    if [*selected.members] != [selected.best]:
        line += f", {abs(gain):.1%} {'worse' if gain < 0 else 'better'} than {best} of {selected.best} alone"
    if gain < 0 and selected.few_predictions is not None:
        few = count_of(selected.few_predictions, "independent predictions")
        verb = "is" if selected.few_predictions == 1 else "are"
        line += f" (weights are shrunk towards equal weights, because there {verb} only {few})"
    failed = f", {selected.failed} left out" if selected.failed else ""
    left = f", {untried} of {selected.tried + untried} candidates not tried" if untried else ""
    return f"{line}; {selected.tried} candidates{failed}{left}"


def _metric_in_words(metric: str) -> str:
    return metric.replace("_", " ")


def _pair(scores: Scores, metric: str) -> list[str]:
    """Return the scores of the model and its best baseline on the test set as text."""
    return score_column(metric, [named["test"].get(metric) for named in (scores.model, scores.best)])


def _relation(scores: Scores) -> tuple[str, str]:
    """Return how the model compares with its best baseline, and by how much.

    Errors differ by a share of the baseline's, other scores by their difference.
    """
    headline = scores.headline
    model, baseline = headline.ranks
    if model == baseline:
        return "as good as", ""
    relation, difference = "beats" if model < baseline else "worse than", abs(headline.model - headline.baseline)
    if headline.higher_is_better:
        return relation, f" by {format_number(difference, 3)}"
    if not headline.baseline or not math.isfinite(difference):
        return relation, ""
    share = difference / headline.baseline
    if share > _MAX_SHARE:
        return relation, ""
    return relation, f" by {share:,.1%}" if share >= 0.0005 else " by less than 0.1%"
