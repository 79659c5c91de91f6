"""A perfect score raises a question, unless a simple baseline is almost as good."""

import pytest

from gristmill.domains.common.perfect_score import perfect_score_warnings


@pytest.mark.parametrize(
    ("model", "baselines", "warnings"),
    [
        ({"mae": 0.0, "r2": 0.99993}, [{"r2": 0.9}], ["an R² of 0.99993 on the test set is suspiciously high: look"]),
        ({"mae": 0.1, "r2": 0.999}, [], []),
        ({"mae": 0.0, "r2": None}, [], []),
        (
            {"accuracy": 1.0},
            [{"accuracy": 0.6}, {"accuracy": 0.9449}],
            ["an accuracy of 1 on the test set is suspiciously high (best baseline: 0.945): look"],
        ),
        ({"accuracy": 1.0}, [{"accuracy": 0.6}, {"accuracy": 0.95}], []),
        ({"accuracy": 0.999}, [{"accuracy": 0.6}], []),
    ],
)
def test_only_scores_that_are_too_good_are_warned_of(
    model: dict[str, float | None], baselines: list[dict[str, float | None]], warnings: list[str]
) -> None:
    assert perfect_score_warnings(model, baselines, "look") == warnings


@pytest.mark.parametrize(("constant", "is_suspicious"), [(0.6, True), (0.96, False)])
def test_a_leak_that_a_baseline_finds_too_is_warned_of(constant: float, is_suspicious: bool) -> None:
    baselines = [{"accuracy": 1.0}, {"accuracy": constant}]
    warning = "an accuracy of 1 on the test set, with one feature only, is suspiciously high: look"
    expected = [warning] if is_suspicious else []
    assert perfect_score_warnings({"accuracy": 1.0}, baselines, "look", one_feature=True) == expected
    assert not perfect_score_warnings({"accuracy": 1.0}, baselines, "look")
    assert not perfect_score_warnings({"accuracy": 0.99}, baselines, "look", one_feature=True)
