"""Scores over time as a small picture."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from gristmill.reports.sparkline import ScoredRun, sparkline
from gristmill.scores import Headline

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def runs(*scores: tuple[int, float, float], metric: str = "mae", data: str = "aaaaaaaaa") -> list[ScoredRun]:
    """Runs by their day, the model's score and the baseline's; `data` has a letter for the data of each."""
    return [
        ScoredRun(BEGAN + timedelta(days=day), Headline(metric=metric, model=model, baseline=baseline), name)
        for (day, model, baseline), name in zip(scores, data, strict=False)
    ]


def dots(svg: str) -> list[tuple[float, float]]:
    """Where the dots are, from the left and from the top."""
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]


def test_every_run_is_a_dot_at_its_time_and_score() -> None:
    (first, second, third) = dots(sparkline(runs((0, 1.0, 3.0), (1, 2.0, 3.0), (4, 1.5, 3.0))))

    assert first[0] < second[0] < third[0]
    assert third[0] - first[0] == pytest.approx(4 * (second[0] - first[0]))
    assert second[1] < third[1] < first[1]  # from the top
    assert first[1] - second[1] == pytest.approx(2 * (first[1] - third[1]))


def test_the_best_baseline_is_a_dashed_line_of_its_own_scores() -> None:
    svg = sparkline(runs((0, 1.0, 3.0), (1, 1.0, 2.0)))

    (dashed,) = re.findall(r'<path d="M([^"]+)"[^>]+stroke-dasharray', svg)
    heights = [float(place.split()[1]) for place in dashed.split(" L")]
    assert heights == sorted(heights)  # from 3 down to 2
    assert heights[0] < heights[-1] < dots(svg)[0][1]


def test_one_run_is_a_dot_in_the_middle_on_or_off_a_whole_line() -> None:
    svg = sparkline(runs((0, 2.0, 2.0)))

    ((x, y),) = dots(svg)
    (width, height) = map(int, re.findall(r'width="(\d+)" height="(\d+)"', svg)[0])
    assert (x, y) == (width / 2, height / 2)
    (dashed,) = re.findall(r'<path d="M([^"]+)"[^>]+stroke-dasharray', svg)
    ends = [float(place.split()[0]) for place in dashed.split(" L")]
    assert ends[-1] - ends[0] > 0.9 * width


def test_lines_have_a_gap_where_the_test_set_changed() -> None:
    scores = [(0, 1.0, 3.0), (1, 2.0, 3.0), (2, 5.0, 9.0), (3, 2.0, 4.0), (4, 2.5, 4.0)]
    whole, broken = sparkline(runs(*scores)), sparkline(runs(*scores, data="aabcc"))

    assert dots(whole) == dots(broken)
    for svg, pieces in ((whole, [5]), (broken, [2, 1, 2])):
        dashed, line = re.findall(r'<path d="([^"]+)"', svg)
        assert [piece.count("L") + 1 for piece in line.split("M")[1:]] == pieces
        assert [piece.count("L") - 1 for piece in dashed.split("M")[1:]] == pieces  # both ends are longer
    assert "gaps: the test set changed" in broken
    assert "gaps" not in whole


def test_it_is_told_in_words_which_are_escaped() -> None:
    svg = sparkline(runs((0, 1.25, 3.0), (9, 1.5, 3.0), metric="a<b"))

    assert 'title="a&lt;b of 2 runs, 2026-01-01 to 2026-01-10: 1.25 to 1.50; dashed: the best baselines&#39;"' in svg
    assert "of one run, 2026-01-01: 1.25;" in sparkline(runs((0, 1.25, 3.0)))
