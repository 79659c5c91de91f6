"""Scores over time in a word-sized picture (Tufte, "Beautiful evidence", 2006), without matplotlib."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gristmill.reports.pictures import BASELINE, MODEL
from gristmill.runs.scores import Headline
from gristmill.settings.messages import format_numbers

if TYPE_CHECKING:
    from markupsafe import Markup

_WIDTH, _HEIGHT, _MARGIN = 128, 36, 4  # pixels; the margin leaves room for a dot


def sparkline(runs: Sequence[tuple[datetime, Headline]]) -> "Markup":
    """Return an SVG picture with a tooltip: a dot for each run at its time, and a dashed line of the best baselines.

    `runs` has at least one run, the oldest first; all have the same metric.
    """
    from markupsafe import Markup

    xs = _scale([when.timestamp() for when, _ in runs], _MARGIN, _WIDTH - _MARGIN)
    scores = [score for _, headline in runs for score in (headline.model, headline.baseline)]
    ys = _scale(scores, _HEIGHT - _MARGIN, _MARGIN)
    model, baseline = list(zip(xs, ys[::2], strict=True)), list(zip(xs, ys[1::2], strict=True))
    line = [(_MARGIN, ys[1]), *baseline, (_WIDTH - _MARGIN, ys[-1])]  # visible for one run, too
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in model)
    return Markup(  # noqa: S704  # our own numbers; `format` escapes the words
        f'<span role="img" title="{{}}"><svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<path d="{_path(line)}" fill="none" stroke="{BASELINE}" stroke-dasharray="3 2"/>'
        f'<path d="{_path(model)}" fill="none" stroke="{MODEL}" stroke-width="1.4"/>'
        f'<g fill="{MODEL}">{dots}</g></svg></span>'
    ).format(_in_words(runs))


def _scale(values: Sequence[float], low: float, high: float) -> list[float]:
    """Return values scaled to the range from `low` to `high`; equal values are in the middle."""
    least, most = min(values), max(values)
    if least == most:
        return [(low + high) / 2] * len(values)
    return [low + (value - least) / (most - least) * (high - low) for value in values]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _in_words(runs: Sequence[tuple[datetime, Headline]]) -> str:
    (first, before), (last, now) = runs[0], runs[-1]
    scores = format_numbers([before.model, now.model])
    if len(runs) == 1:
        return f"{now.metric} of one run, {last:%Y-%m-%d}: {scores[1]}; dashed: the best baseline's"
    span = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}: {scores[0]} to {scores[1]}"
    return f"{now.metric} of {len(runs)} runs, {span}; dashed: the best baselines'"
