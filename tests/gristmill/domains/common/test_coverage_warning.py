"""When a coverage far from its level is a warning, and when it may be chance."""

import pytest

from gristmill.domains.common.coverage_warning import coverage_warning


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
