"""Leaderboard of a sweep, the best validation score first: for Python, notebooks, commands and its HTML page."""

import itertools
import statistics
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.reports.page import as_html, as_text, page_name, render_page
from gristmill.reports.sections import BEST, Section, Table
from gristmill.scores import are_equal, rank
from gristmill.settings.number_text import format_number, format_numbers, setting_text
from gristmill.store.store import Store
from gristmill.sweeps.trials import SweepPoint, Trial, TrialScores

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_LOG_RATIO = 20  # of the largest value of a setting to the smallest, from which on its axis is logarithmic
_MAX_LABEL_LENGTH = 120  # characters that fit into the picture


@dataclass(frozen=True)
class LeaderboardEntry:
    """One point on the leaderboard."""

    point: SweepPoint
    outcomes: list[TrialScores]  # scores of the seeds that were scored
    seeds: int  # total number of seeds

    def values(self, part: str) -> list[float]:
        """Return the scores (`validation`, `test` or `tie_break`) of the seeds that have one."""
        return [value for outcome in self.outcomes if (value := getattr(outcome, part)) is not None]

    def mean(self, part: str) -> float | None:
        """Return the mean score over the seeds; None if one has no score."""
        values = self.values(part)
        return statistics.mean(values) if values and len(values) == len(self.outcomes) else None

    def spread(self, part: str) -> float | None:
        """Return the standard deviation over the seeds; None for a single one."""
        values = self.values(part)
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def seconds(self) -> float | None:
        """Mean training time."""
        return statistics.mean(outcome.seconds for outcome in self.outcomes) if self.outcomes else None

    @property
    def parameters(self) -> int | None:
        return self.outcomes[0].parameters if self.outcomes else None

    @property
    def is_complete(self) -> bool:
        """Whether every seed was scored."""
        return len(self.outcomes) == self.seeds


def leaderboard(trials: "Iterable[tuple[Trial, TrialScores | None]]") -> list[LeaderboardEntry]:
    """Return the points of adjacent trials, the best validation score first, incomplete points last."""
    entries = []
    for _, group in itertools.groupby(trials, key=lambda item: item[0].point.assignments):
        seeds = list(group)
        entries.append(LeaderboardEntry(seeds[0][0].point, [scores for _, scores in seeds if scores], len(seeds)))
    higher = any(outcome.scores.higher_is_better for entry in entries for outcome in entry.outcomes)
    ranked = sorted(entries, key=lambda entry: rank(entry.mean("validation") if entry.is_complete else None, higher))
    tied = equal_to_first(ranked, "validation")
    if _share_tie_break(tied):
        tied.sort(key=lambda entry: rank(entry.mean("tie_break"), higher_is_better=True))
    return [*tied, *ranked[len(tied) :]]


def find_leaders(entries: list[LeaderboardEntry]) -> list[LeaderboardEntry]:
    """Return the best point, or all points that are equally good; none if no point has a score with all its seeds.

    Of points with equal scores, the best have the highest secondary metric, if all have the same one.
    """
    tied = equal_to_first(entries, "validation")
    return equal_to_first(tied, "tie_break") if _share_tie_break(tied) else tied


def equal_to_first(entries: list[LeaderboardEntry], part: str) -> list[LeaderboardEntry]:
    """Return the complete entries whose mean is that of the first one, except for rounding."""
    scored = [(entry, entry.mean(part)) for entry in entries if entry.is_complete]
    known = [(entry, mean) for entry, mean in scored if mean is not None]
    return [entry for entry, mean in known if are_equal(mean, known[0][1])]


def _share_tie_break(tied: list[LeaderboardEntry]) -> bool:
    """Return whether all points have the same secondary metric, and a score by it."""
    metrics = {outcome.secondary_metric for entry in tied for outcome in entry.outcomes}
    return len(metrics) == 1 and all(entry.mean("tie_break") is not None for entry in tied)


@dataclass(frozen=True, repr=False)
class SweepResult:
    """The leaderboard of a pipeline's sweep; a notebook shows it when it is the last value of a cell."""

    pipeline: str
    description: str
    entries: list[LeaderboardEntry]  # the best validation score first
    store: Store

    @property
    def best(self) -> LeaderboardEntry | None:
        """The point to take; None if no point has a score with all its seeds, or if several are equally good."""
        leaders = find_leaders(self.entries)
        return leaders[0] if len(leaders) == 1 else None

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """A row for each point, the best first: its settings, the score to choose by, spread over seeds, seconds."""
        import pandas as pd

        rows = [
            {
                **_settings_of(entry),
                "score": entry.mean("validation"),
                "spread": entry.spread("validation"),
                "seeds": len(entry.outcomes),
                "seconds": entry.seconds,
            }
            for entry in self.entries
        ]
        return pd.DataFrame(rows)

    @property
    def table(self) -> Table:
        """The leaderboard as text."""
        scores = [score for entry in self.entries for score in (entry.mean("validation"), entry.spread("validation"))]
        shown = format_numbers(scores)
        rows = [
            [
                entry.point.label,
                mean,
                spread,
                f"{len(entry.outcomes)} of {entry.seeds}",
                f"{entry.parameters:,}" if entry.parameters else "",
                "" if entry.seconds is None else f"{entry.seconds:,.1f}",
            ]
            for entry, mean, spread in zip(self.entries, shown[::2], shown[1::2], strict=True)
        ]
        headings = ["point", self._measure, "± over seeds", "seeds", "parameters", "fit s"]
        return Table("", headings, rows, marks={0: BEST} if self.best else {})

    @property
    def summary(self) -> str:
        """Which point to take, and its score on the test set, which was not used to choose it."""
        if self.best is None:
            leaders = find_leaders(self.entries)
            if not leaders:
                return "No point has a score with all its seeds."
            (score,) = format_numbers([leaders[0].mean("validation")])
            return (
                f"{len(leaders)} points tie for the best {self._measure}, {score}, so no point is marked best. The "
                "setting may not affect this score."
            )
        outcome, spread = self.best.outcomes[0], self.best.spread("test")
        test, baseline = format_numbers([self.best.mean("test"), outcome.scores.headline.baseline])
        deviation = "" if spread is None else f" ± {format_number(spread)}"
        tied, tie_break = equal_to_first(self.entries, "validation"), ""
        if len(tied) > 1:
            (deciding,) = format_numbers([self.best.mean("tie_break")])
            equal = f"{len(tied)} points with equal {outcome.metric}"
            tie_break = f", by its {outcome.secondary_metric} of {deciding} among {equal}"
        return (
            f"Best on {outcome.chosen_on}: {self.best.point.label}{tie_break}. Its {outcome.metric} on the test set is "
            f"{test}{deviation}, against {baseline} for {outcome.scores.best_baseline}."
        )

    @property
    def report(self) -> Path:
        """The HTML page of the sweep, `reports/<pipeline>.sweep.html` in the store, rendered now."""
        from gristmill.reports.pictures import as_svg

        pictures = []
        if any(entry.values("validation") for entry in self.entries):
            pictures = [as_svg(self._picture(), f"{self._measure} of each point")]
            # Draw the settings for which scored points have several values.
            tried: dict[str, set[str]] = {}
            for entry in self.entries:
                if entry.mean("validation") is not None:
                    for key, value in _settings_of(entry).items():
                        tried.setdefault(key, set()).add(str(value))
            if varied := [key for key, values in tried.items() if len(values) > 1]:
                pictures.append(as_svg(self._setting_figure(varied), f"{self._measure} by setting"))
        facts = {"sweep": f"{len(self.entries)} points", "seeds": f"{max(entry.seeds for entry in self.entries)}"}
        content = [Section("Leaderboard", self.summary, pictures, [self.table])]
        return render_page(
            self.store, page_name(self.pipeline, "sweep"), self.pipeline, self.description, facts, content
        )

    def as_json(self) -> list[dict[str, Any]]:
        """Return the leaderboard as JSON values; only the best point has scores on the test set."""
        rows = []
        for entry in self.entries:
            parts = ("validation", "test") if entry is self.best else ("validation",)
            rows.append(
                {
                    "point": list(entry.point.assignments),
                    "chosen": entry is self.best,
                    "seeds": entry.seeds,
                    "mean": {part: entry.mean(part) for part in parts},
                    "scores": {part: entry.values(part) for part in parts},
                    "seconds": [outcome.seconds for outcome in entry.outcomes],
                    "parameters": entry.parameters,
                }
            )
        return rows

    def __repr__(self) -> str:
        return as_text(Section(self.pipeline, self.summary, tables=[self.table]))

    def _repr_html_(self) -> str:
        return as_html(Section(self.pipeline, self.summary, tables=[self.table]))

    @property
    def _measure(self) -> str:
        """The score that points are compared by, such as `mae on validation`."""
        outcomes = [outcome for entry in self.entries for outcome in entry.outcomes]
        return f"{outcomes[0].metric} on {outcomes[0].chosen_on}" if outcomes else "score"

    def _picture(self) -> "Figure":
        """Return a row for each point: its label, below it the seeds as dots and their mean as a line."""
        from gristmill.reports.pictures import ACCENT, MODEL, canvas, text_color

        scored = [entry for entry in self.entries if entry.values("validation")]
        figure, [axes] = canvas(height=0.8 + 0.5 * len(scored))
        for row, entry in enumerate(reversed(scored)):
            colour = ACCENT if entry is self.best else MODEL
            values = entry.values("validation")
            axes.plot(values, [row] * len(values), "o", color=colour, alpha=0.5, markersize=5)
            axes.plot([statistics.mean(values)], [row], "|", color=colour, markersize=13, markeredgewidth=2.5)
            label = textwrap.shorten(entry.point.label, _MAX_LABEL_LENGTH, placeholder=" …")
            axes.text(
                0.004, row + 0.3, label, transform=axes.get_yaxis_transform(), color=text_color(axes), va="center"
            )
        axes.set_yticks([])
        axes.set_xlabel(self._measure)
        axes.set_ylim(-0.5, len(scored) - 0.4)
        return figure

    def _setting_figure(self, settings: list[str]) -> "Figure":
        """Return a panel for each setting: the score of each point by its value."""
        from gristmill.reports.pictures import ACCENT, MODEL, name_ticks, panels

        figure, all_axes = panels(settings, self._measure)
        scored = [entry for entry in self.entries if entry.mean("validation") is not None]
        for axes, key in zip(all_axes, settings, strict=True):
            known = [entry for entry in scored if key in _settings_of(entry)]
            values = [_settings_of(entry)[key] for entry in known]
            if any(type(value) not in (int, float) for value in values):
                names = sorted(set(map(setting_text, values)), key=lambda name: (len(name), name))
                name_ticks(axes, names)
                values = [names.index(setting_text(value)) for value in values]
            elif 0 < _LOG_RATIO * min(values) <= max(values):
                axes.set_xscale("log")
            for entry, value in zip(known, values, strict=True):
                colour = ACCENT if entry is self.best else MODEL
                axes.plot(
                    value, statistics.mean(entry.values("validation")), "o", color=colour, markersize=5, alpha=0.8
                )
        return figure


def _settings_of(entry: LeaderboardEntry) -> dict[str, Any]:
    """Return the values that a point sets by key, such as `model.units`, or `model` for a whole table."""
    assignments = (assignment.partition("=") for assignment in entry.point.assignments)
    return {key: tomllib.loads(f"value = {value}")["value"] for key, _, value in assignments}
