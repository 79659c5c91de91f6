"""Proposed rules for arrivals of a time series, from what its history would have needed."""

import math

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.arrivals import Column, halves, known_figures
from gristmill.scaffold.proposal import Guess
from gristmill.settings.arrivals import SeriesArrivals
from gristmill.settings.number_text import format_number

_MARGIN = 1.5  # by which a limit exceeds what the second half of the history needed
_DEFAULTS = SeriesArrivals()


def arrival_guesses(table: pd.DataFrame, columns: list[str]) -> list[Guess]:
    """Return the rules that later data must keep.

    The second half of the history is judged by the first. If it needed larger limits than the default ones, larger
    limits are proposed. `max_repeats` is proposed for a single column of a single series only: by default, each series
    has a limit of its own.

    Args:
        table: the ingested series, as in `series.parquet`.
        columns: targets and inputs.
    """
    arrival = halves(table, columns)
    judged = [Column(arrival, name) for name in columns]
    step, beyond = (max(column.needed_multiple(rule) for column in judged) for rule in ("max_step", "max_beyond"))
    guesses = [
        Guess("max_lost", _DEFAULTS.max_lost, "share of the known rows that may be missing in new data"),
        Guess("max_revised", _DEFAULTS.max_revised, "share of the known rows that may have other values"),
        Guess("max_ahead", _DEFAULTS.max_ahead, "how far a time may be ahead of the clock"),
        Guess("max_step", _limit(_DEFAULTS.max_step, step), _reason("largest known step", step)),
        Guess(
            "max_beyond",
            _limit(_DEFAULTS.max_beyond, beyond),
            _reason("known range, beyond it", beyond),
        ),
    ]
    if len(columns) == 1 and table["unique_id"].nunique() == 1:
        repeats = int(known_figures(arrival.now, columns[0])[["repeats", "last_repeats"]].to_numpy().max())
        why = f"equal values in a row; at most {repeats} so far"
        guesses.insert(3, Guess("max_repeats", 2 * repeats + 2, why))
    return guesses


def _limit(default: float, needed: float) -> float:
    return max(default, math.ceil(10 * _MARGIN * needed) / 10)


def _reason(what: str, needed: float) -> str:
    return f"times the {what}; the newer half needs {format_number(np.round(needed, 2))}"
