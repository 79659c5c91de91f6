"""What is usual at a frequency."""

import pytest

from gristmill.scaffold.forecast_windows import defaults_of


@pytest.mark.parametrize(
    ("frequency", "season", "history", "horizon"),
    [
        ("1", None, 12, 1),
        ("3600", None, 12, 1),
        ("min", 1440, 168, 24),
        ("15min", 96, 168, 24),
        ("h", 24, 168, 24),
        ("6h", 4, 28, 4),
        ("D", 7, 28, 7),
        ("2D", None, 12, 1),
        ("B", 5, 20, 5),
        ("W-SAT", 52, 52, 4),
        ("MS", 12, 24, 12),
        ("ME", 12, 24, 12),
        ("BME", 12, 24, 12),
        ("QS-OCT", 4, 8, 4),
        ("YS-JAN", None, 10, 1),
        ("YE-DEC", None, 10, 1),
    ],
)
def test_a_frequency_has_a_season_and_windows(frequency: str, season: int | None, history: int, horizon: int) -> None:
    found = defaults_of(frequency)

    assert (found.season, found.history, found.horizon) == (season, history, horizon)
