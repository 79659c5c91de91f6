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
