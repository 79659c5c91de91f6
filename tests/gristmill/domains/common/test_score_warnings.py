"""Warnings about a coverage far from its nominal level, and about perfect scores."""

import pytest

from gristmill.domains.common.score_warnings import coverage_warning, perfect_score_warnings


@pytest.mark.parametrize(
    ("coverage", "level", "independent", "expected"),
    [
        (0.652, 0.8, 36, "covered; low, so do not rely on them"),
        (0.96, 0.8, 36, "covered; high"),
        (0.652, 0.8, 5, "covered; this may be chance"),
        (0.96, 0.8, 1, "covered; this may be chance"),
        (0.7, 0.8, 100_000, ""),  # certain, but close enough
        (
            0.92,
            0.95,
            100_000,
            "covered; low, so do not rely on them",
        ),  # eight of a hundred values are outside instead of five
        (None, 0.8, 36, ""),
    ],
)
def test_a_coverage_far_from_its_level_is_a_warning(
    coverage: float | None, level: float, independent: int, expected: str
) -> None:
    assert coverage_warning("covered", coverage, level, independent, "low", "high") == expected


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
