"""Scores in words and tables: the verdict, the columns that have a score, the order of the baselines."""

from typing import Any

import pytest

from gristmill.reports.scores import comparison, headline_pair, scores_section, scores_table, selection_line
from gristmill.scores import Headline, Scores, Selected

NAMES = {"mae": "MAE", "mape": "MAPE %", "skill": "skill"}
SCORES = Scores(
    headline=Headline(metric="mae", model=1.0, baseline=2.0),
    best_baseline="naive",
    model={"validation": {"mae": 1.5}, "test": {"mae": 1.0, "mape": None}},
    baselines={
        "mean": {"validation": {"mae": 2.5}, "test": {"mae": None, "mape": None, "skill": -0.5}},
        "naive": {"test": {"mae": 2.0, "mape": None, "skill": 0.0}},
    },
)


def test_a_table_has_the_best_baseline_first_and_no_column_without_a_score() -> None:
    table = scores_table(SCORES, "test", NAMES)

    assert (table.title, table.headings) == ("Test set", ["model or baseline", "MAE", "skill"])
    assert table.rows == [["model", "1", "–"], ["naive", "2", "+0.0%"], ["mean", "–", "-50.0%"]]


def test_a_section_has_the_verdict_the_remarks_and_a_table_for_each_part() -> None:
    section = scores_section(SCORES, NAMES, "", "Skill is a share.")

    assert section.note == (
        "The model beats its best baseline, naive, on the test set by 50.0%: MAE 1 against 2. "
        "Nothing was fitted on the test set. Skill is a share."
    )
    assert [table.title for table in section.tables] == ["Test set", "Validation set"]


def test_warnings_follow_the_verdict() -> None:
    section = scores_section(SCORES.model_copy(update={"warnings": ["10 windows only"]}), NAMES, "Skill is a share.")

    assert section.note.endswith("Nothing was fitted on the test set. Warning: 10 windows only. Skill is a share.")


@pytest.mark.parametrize(
    ("model", "baseline", "verdict"),
    [
        (2.0, 1.6, "The model is worse than its best baseline, naive, on the test set by 25.0%: MAE 2.0 against 1.6."),
        (0.0, 0.0, "The model is as good as its best baseline, naive, on the test set: MAE 0 against 0."),
    ],
)
def test_the_verdict_names_a_baseline_that_is_not_beaten(model: float, baseline: float, verdict: str) -> None:
    headline = Headline(metric="mae", model=model, baseline=baseline)

    assert scores_section(SCORES.model_copy(update={"headline": headline}), NAMES).note.startswith(verdict)


def test_a_headline_is_a_pair_in_the_same_decimals() -> None:
    assert headline_pair(Headline(metric="mae", model=12.9, baseline=12.96)) == ("mae 12.90", "12.96")


@pytest.mark.parametrize(
    ("metric", "model", "baseline", "higher", "said"),
    [
        ("mae", 12.918, 12.96, False, "beats the best baseline by 0.3%: test mae 12.92, ar 12.96"),
        ("mae", 12.9599, 12.96, False, "beats the best baseline by less than 0.1%: test mae 12.96, ar 12.96"),
        ("mae", 2.5, 2.0, False, "worse than the best baseline by 25.0%: test mae 2.5, ar 2.0; consider"),
        ("mae", 2.0, 0.0, False, "worse than the best baseline: test mae 2, ar 0; consider"),
        ("mae", float("nan"), 2.0, False, "worse than the best baseline: test mae nan, ar 2; consider"),
        ("mae", 2.0, 2.0, False, "as good as the best baseline: test mae 2, ar 2"),
        ("accuracy", 0.985, 0.9, True, "beats the best baseline by 0.085: test accuracy 0.985, ar 0.900"),
        ("accuracy", 0.9, 0.985, True, "worse than the best baseline by 0.085: test accuracy 0.900, ar 0.985; con"),
    ],
)
def test_a_run_says_whether_its_model_beats_the_best_baseline(
    metric: str, model: float, baseline: float, higher: bool, said: str
) -> None:
    headline = Headline(metric=metric, model=model, baseline=baseline, higher_is_better=higher)
    assert comparison(Scores(headline=headline, best_baseline="ar", model={})).startswith(said)


def test_another_metric_is_shown_after_that_of_the_selection() -> None:
    headline = Headline(metric="log_loss", model=0.3, baseline=0.4, secondary_metric="accuracy")
    by_model = [{"test": {"log_loss": loss, "accuracy": share}} for loss, share in ((0.3, 0.89), (0.4, 0.905))]
    scores = Scores(headline=headline, best_baseline="linear", model=by_model[0], baselines={"linear": by_model[1]})

    line = "beats the best baseline by 25.0%: test log loss 0.3, linear 0.4 (accuracy 0.890, 0.905)"
    assert comparison(scores) == line
    note = scores_section(scores, {"log_loss": "log loss", "accuracy": "accuracy"}).note
    assert "log loss 0.3 against 0.4 (accuracy 0.890 against 0.905). Nothing" in note


def test_a_baseline_that_was_selected_alone_is_not_compared_with_itself() -> None:
    chosen = Selected(
        members={"linear": 1.0},
        metric="log loss",
        on="folds",
        loss=0.1,
        best="linear",
        best_loss=0.1,
        tried=3,
        failed=0,
    )
    headline = Headline(metric="log_loss", model=0.3, baseline=0.2, secondary_metric="accuracy")
    by_part: Any = {"test": {"log_loss": 0.3, "accuracy": 0.9}}
    scores = Scores(
        headline=headline, best_baseline="linear", model=by_part, baselines={"linear": by_part}, selected=chosen
    )

    line = "the best baseline, linear, with calibrated probabilities: test log loss 0.3, uncalibrated 0.2"
    assert comparison(scores).startswith(line)
    note = scores_section(scores, {"log_loss": "log loss", "accuracy": "accuracy"}).note
    assert note.startswith(
        "The model is its best baseline, linear, with calibrated probabilities. On the test set, log loss is 0.3 with "
        "calibration and 0.2 without"
    )
    equal = scores.model_copy(update={"headline": headline.model_copy(update={"baseline": 0.3})})
    assert comparison(equal).startswith("as good as the best baseline")
    of_numbers = headline.model_copy(update={"secondary_metric": None})
    forecast = scores.model_copy(update={"headline": of_numbers})
    assert comparison(forecast).startswith("worse than the best baseline by 50.0%")
    mixed = chosen.model_copy(update={"members": {"linear": 0.5, "trees": 0.5}})
    assert comparison(scores.model_copy(update={"selected": mixed})).startswith("worse than the best baseline by 50.0%")


@pytest.mark.parametrize(
    ("members", "loss", "line"),
    [
        ({"theta": 1.0}, 0.8, "theta won: scaled error 0.8 on backtest; 9 candidates, 2 left out"),
        (
            {"theta": 0.525, "ets": 0.26, "ar": 0.215},
            0.72,
            "53% theta + 26% ets + 21% ar won: scaled error 0.72 on backtest, 10.0% better than 0.80 of theta alone; "
            "9 candidates, 2 left out",
        ),
        (
            {"naive": 1.0},
            1.2,
            "naive: scaled error 1.2 on backtest, 50.0% worse than 0.8 of theta alone; 9 candidates, 2 left out",
        ),
    ],
)
def test_the_selection_is_compared_with_the_best_candidate(members: dict[str, float], loss: float, line: str) -> None:
    selected = Selected(
        members=members, metric="scaled error", on="backtest", loss=loss, best="theta", best_loss=0.8, tried=9, failed=2
    )
    assert selection_line(selected) == line
    assert selection_line(selected, untried=3) == f"{line}, 3 of 12 candidates not tried"


@pytest.mark.parametrize(
    ("loss", "few", "reason"),
    [
        (0.816, 12, " (weights are shrunk towards equal weights, because there are only 12 independent predictions)"),
        (0.816, 1, " (weights are shrunk towards equal weights, because there is only 1 independent prediction)"),
        (0.816, None, ""),  # the table `select` fixes the weights, or a cheaper candidate is as good
        (0.784, 12, ""),
    ],
)
def test_a_selection_worse_than_the_best_candidate_has_its_reason(loss: float, few: int | None, reason: str) -> None:
    selected = Selected(
        members={"ets": 0.6, "ridge": 0.4},
        metric="mae",
        on="backtest",
        loss=loss,
        best="ridge",
        best_loss=0.8,
        tried=9,
        failed=0,
        few_predictions=few,
    )
    assert selection_line(selected).endswith(f" than 0.800 of ridge alone{reason}; 9 candidates")
