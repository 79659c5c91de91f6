"""Proposal of `preprocess.normalise`."""

import numpy as np
import pandas as pd

from gristmill.scaffold.proposal import values_of
from gristmill.scaffold.timeseries import choose_normalisation

WEEKS = np.arange(300)
WAVES = 10 * np.sin(2 * np.pi * WEEKS / 52) + np.random.default_rng(1).normal(size=300)


def series(**columns: np.ndarray) -> pd.DataFrame:
    """Return series of the same length."""
    return pd.concat([pd.DataFrame({"unique_id": name, "y": values}) for name, values in columns.items()])


def test_windows_are_normalised_if_most_newest_values_are_beyond_all_earlier_ones() -> None:
    (guess,) = choose_normalisation(series(one=WAVES + 0.5 * WEEKS, two=WAVES - 0.5 * WEEKS), "y")

    assert values_of([guess]) == {"normalise": "last"}
    assert guess.why == "82% of the newest values are outside the earlier range"


def test_series_within_their_earlier_range_are_not_normalised() -> None:
    assert choose_normalisation(series(one=WAVES, two=WAVES[::-1]), "y") == []
    assert choose_normalisation(series(one=WAVES + 0.5 * WEEKS, two=WAVES, three=WAVES[::-1]), "y") == []
