"""A score over time in a picture as small as a word (Tufte, "Beautiful evidence", 2006), without matplotlib."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gristmill.reports.pictures import BASELINE, MODEL
from gristmill.settings.messages import format_numbers

if TYPE_CHECKING:
    from markupsafe import Markup

_WIDTH, _HEIGHT, _EDGE = 160, 36, 4  # pixels; the edge leaves room for a dot


@dataclass(frozen=True)
class RunScore:
    """How a run's model and its best baseline did on the test part."""

    when: datetime
    model: float
    baseline: float


def sparkline(metric: str, points: Sequence[RunScore]) -> "Markup":
    """Return an SVG picture: a dot for each run at its time, and the best baselines' scores as a dashed line.

    Pointing at it tells it in words.

    Args:
        metric: what the scores are.
        points: at least one, oldest first.
    """
    from markupsafe import Markup

    across = _scaled([point.when.timestamp() for point in points], _EDGE, _WIDTH - _EDGE)
    up = _scaled([score for point in points for score in (point.model, point.baseline)], _HEIGHT - _EDGE, _EDGE)
    model, baseline = list(zip(across, up[::2], strict=True)), list(zip(across, up[1::2], strict=True))
    whole = [(_EDGE, up[1]), *baseline, (_WIDTH - _EDGE, up[-1])]  # a line for one run too
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in model)
    return Markup(  # noqa: S704  # numbers of ours; the words go in by format, which escapes them
        f'<span role="img" title="{{}}"><svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<path d="{_path(whole)}" fill="none" stroke="{BASELINE}" stroke-dasharray="3 2"/>'
        f'<path d="{_path(model)}" fill="none" stroke="{MODEL}" stroke-width="1.4"/>'
        f'<g fill="{MODEL}">{dots}</g></svg></span>'
    ).format(_told(metric, points))


def _scaled(values: Sequence[float], low: float, high: float) -> list[float]:
    """Return where values lie between two places, the least at `low`; equal ones in the middle."""
    least, most = min(values), max(values)
    if least == most:
        return [(low + high) / 2] * len(values)
    return [low + (value - least) / (most - least) * (high - low) for value in values]


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _told(metric: str, points: Sequence[RunScore]) -> str:
    first, last = points[0], points[-1]
    before, now = format_numbers([first.model, last.model])
    if len(points) == 1:
        return f"{metric} of one run, {last.when:%Y-%m-%d}: {now}; dashed: the best baseline's"
    return (
        f"{metric} of {len(points)} runs, {first.when:%Y-%m-%d} to {last.when:%Y-%m-%d}: {before} to {now}; "
        "dashed: the best baselines'"
    )
