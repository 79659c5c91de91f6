"""What a sweep came to, for terminal and page: the leaderboard, its best point beside the baselines, a picture."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from gristmill.reports.page import page_name, render_page
from gristmill.reports.sections import Section, Table
from gristmill.settings.messages import format_number, format_numbers
from gristmill.store.store import Store
from gristmill.sweeps.leaderboard import LeaderboardEntry, best

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 120  # characters of a label that fit into the picture


def leaderboard(places: list[LeaderboardEntry]) -> Table:
    """Return the points as a table, the best first."""
    scores = [score for place in places for score in (place.mean("validation"), place.spread("validation"))]
    shown = format_numbers(scores)
    rows = [
        [
            place.point.label,
            mean,
            spread,
            f"{len(place.outcomes)} of {place.of}",
            f"{place.outcomes[0].parameters:,}" if place.outcomes and place.outcomes[0].parameters else "",
            f"{place.seconds:,.1f}" if place.outcomes else "",
        ]
        for place, mean, spread in zip(places, shown[::2], shown[1::2], strict=True)
    ]
    return Table("", ["point", _measure(places), "± over seeds", "seeds", "parameters", "train s"], rows)


def verdict(places: list[LeaderboardEntry]) -> str:
    """Return in words which point to take, and how it does on the test part, on which nothing was chosen."""
    first = best(places)
    if first is None:
        return "No point came to a score with all its seeds."
    outcome, spread = first.outcomes[0], first.spread("test")
    found, baseline = format_numbers([first.mean("test"), outcome.scores.headline.baseline])
    if spread is not None:
        found += f" ± {format_number(spread)}"
    return (
        f"Best on {outcome.chosen_on}: {first.point.label}. "
        f"Its {outcome.metric} is {found} on the test part, against {baseline} for {outcome.scores.best_baseline}."
    )


def write_sweep(pipeline: str, description: str, places: list[LeaderboardEntry], store: Store) -> Path:
    """Render the page of a sweep and return its path: `reports/<pipeline>.sweep.html` in the store."""
    from gristmill.reports.pictures import as_svg

    pictures = [as_svg(_picture(places))] if any(place.values("validation") for place in places) else []
    facts = {"sweep": f"{len(places)} points", "seeds": f"{max(place.of for place in places)}"}
    content = [Section("Leaderboard", verdict(places), pictures, [leaderboard(places)])]
    return render_page(store, page_name(pipeline, "sweep"), pipeline, description, facts, content)


def _picture(places: list[LeaderboardEntry]) -> "Figure":
    """Return a row for each point: its label, below it the seeds as dots and their mean as a line."""
    from gristmill.reports.pictures import ACCENT, MODEL, canvas, text_color

    scored = [place for place in places if place.values("validation")]
    figure, [axes] = canvas(height=0.8 + 0.5 * len(scored))
    chosen = best(places)
    for row, place in enumerate(reversed(scored)):
        colour = ACCENT if place is chosen else MODEL
        values = place.values("validation")
        axes.plot(values, [row] * len(values), "o", color=colour, alpha=0.5, markersize=5)
        axes.plot([sum(values) / len(values)], [row], "|", color=colour, markersize=13, markeredgewidth=2.5)
        label = textwrap.shorten(place.point.label, _LONGEST, placeholder=" …")
        axes.text(0.004, row + 0.3, label, transform=axes.get_yaxis_transform(), color=text_color(axes), va="center")
    axes.set_yticks([])
    axes.set_xlabel(_measure(places))
    axes.set_ylim(-0.5, len(scored) - 0.4)
    return figure


def _measure(places: list[LeaderboardEntry]) -> str:
    """Return what the points are compared by: `mae on validation`."""
    outcomes = [outcome for place in places for outcome in place.outcomes]
    return f"{outcomes[0].metric} on {outcomes[0].chosen_on}" if outcomes else "score"
