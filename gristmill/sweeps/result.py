"""What a sweep came to, as Python, notebooks and the command line look at it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.reports.cell import as_html, as_text
from gristmill.reports.sections import Section
from gristmill.store.store import Store
from gristmill.sweeps import leaderboard, page
from gristmill.sweeps.leaderboard import LeaderboardEntry

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class SweepResult:
    """The leaderboard of a pipeline's sweep; as the last value of a notebook's cell it shows it."""

    pipeline: str
    description: str
    places: list[LeaderboardEntry]  # the best by validation first
    store: Store

    @property
    def best(self) -> LeaderboardEntry | None:
        """The point to take; None where none came to a score with all its seeds."""
        return leaderboard.best(self.places)

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """A row for each point, the best first: what it sets, its score to choose by, spread over seeds, seconds."""
        import pandas as pd

        rows = [
            {
                **_set_by(place),
                "score": place.mean("validation"),
                "spread": place.spread("validation"),
                "seeds": len(place.outcomes),
                "seconds": place.seconds if place.outcomes else None,
            }
            for place in self.places
        ]
        return pd.DataFrame(rows)

    @property
    def report(self) -> Path:
        """The HTML page of the sweep, rendered now."""
        return page.write_sweep(self.pipeline, self.description, self.places, self.store)

    def __repr__(self) -> str:
        return as_text(self._told())

    def _repr_html_(self) -> str:
        return as_html(self._told())

    def _told(self) -> Section:
        found = page.leaderboard(self.places)
        return Section(self.pipeline, page.verdict(self.places), tables=[found])


def _set_by(place: LeaderboardEntry) -> dict[str, Any]:
    """Return the values that a point sets, by key: `model.units`, or `model` of a whole table."""
    assignments = (assignment.partition("=") for assignment in place.point.assignments)
    return {key: tomllib.loads(f"value = {value}")["value"] for key, _, value in assignments}
