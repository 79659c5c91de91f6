"""Scores over time in a word-sized picture (Tufte, "Beautiful evidence", 2006), without matplotlib."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from gristmill.reports.pictures import BASELINE, MODEL
from gristmill.scores import Headline
from gristmill.settings.number_text import format_numbers

if TYPE_CHECKING:
    from markupsafe import Markup

_WIDTH, _HEIGHT, _MARGIN = 128, 36, 4  # pixels; the margin leaves room for a dot

Points = list[tuple[float, float]]  # places in the picture


class ScoredRun(NamedTuple):
    """Score of a run, and the data that it was measured on."""

    when: datetime
    headline: Headline
    data: str  # digest of the prepared data, and so of the test set


def sparkline(runs: Sequence[ScoredRun]) -> "Markup":
    """Return an SVG picture with a tooltip: a dot for each run at its time, and a dashed line of the best baselines.

    Lines have a gap where the prepared data changed, because scores on different test sets cannot be compared. `runs`
    has at least one run, the oldest first; all have the same metric.
    """
    from markupsafe import Markup

    xs = _scale([run.when.timestamp() for run in runs], _MARGIN, _WIDTH - _MARGIN)
    scores = [score for run in runs for score in (run.headline.model, run.headline.baseline)]
    ys = _scale(scores, _HEIGHT - _MARGIN, _MARGIN)
    model, baseline = list(zip(xs, ys[::2], strict=True)), list(zip(xs, ys[1::2], strict=True))
    # Make the pieces of the baseline longer on both sides: they are visible for a single run, too.
    reach, widened = _MARGIN if len(runs) > 1 else _WIDTH / 2 - _MARGIN, list[Points]()
    for piece in _pieces(baseline, runs):
        (left, first_y), (right, last_y) = piece[0], piece[-1]
        widened.append([(left - reach, first_y), *piece, (right + reach, last_y)])
    # Say the same in words.
    first, last = runs[0], runs[-1]
    metric, ends = last.headline.metric, format_numbers([first.headline.model, last.headline.model])
    words = f"{metric} of one run, {last.when:%Y-%m-%d}: {ends[1]}; dashed: the best baseline's"
    if len(runs) > 1:
        span = f"{first.when:%Y-%m-%d} to {last.when:%Y-%m-%d}: {ends[0]} to {ends[1]}"
        changed = "; gaps: the test set changed" * (len({run.data for run in runs}) > 1)
        words = f"{metric} of {len(runs)} runs, {span}; dashed: the best baselines'{changed}"
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in model)
    return Markup(  # noqa: S704  # our own numbers; `format` escapes the words
        f'<span role="img" title="{{}}"><svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<path d="{_path(widened)}" fill="none" stroke="{BASELINE}" stroke-dasharray="3 2"/>'
        f'<path d="{_path(_pieces(model, runs))}" fill="none" stroke="{MODEL}" stroke-width="1.4"/>'
        f'<g fill="{MODEL}">{dots}</g></svg></span>'
    ).format(words)


def _scale(values: Sequence[float], low: float, high: float) -> list[float]:
    """Return values scaled to the range from `low` to `high`; equal values are in the middle."""
    smallest, largest = min(values), max(values)
    if smallest == largest:
        return [(low + high) / 2] * len(values)
    return [low + (value - smallest) / (largest - smallest) * (high - low) for value in values]


def _pieces(points: Points, runs: Sequence[ScoredRun]) -> Iterator[Points]:
    """Yield the points of consecutive runs with the same prepared data."""
    for _, piece in itertools.groupby(zip(points, runs, strict=True), key=lambda pair: pair[1].data):
        yield [point for point, _ in piece]


def _path(pieces: Iterable[Points]) -> str:
    return " ".join("M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in piece) for piece in pieces)
