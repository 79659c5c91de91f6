"""Features of a window for boosted trees, computed in the exported network: one row for each step to forecast.

The network that computes them for training is the network that is exported, so trees see the same float32 numbers.
"""

from typing import Any

from keras import ops

from gristmill.domains.timeseries.dataset import Layout
from gristmill.domains.timeseries.normalisation import normalised

MAX_LAGS = 24  # newest values that are features of their own
DEVIATION_LENGTHS = (8, 32)  # of the last values, in observations
SEASONS = 2  # values of the same place in the season, one and two seasons ago


def step_features(window: Any, layout: Layout, levels: bool) -> Any:
    """Return the features of standardised windows, (batch, history, columns) to (batch, horizon, features).

    These are normalised lags, means and deviations of the last values, values of the same place in earlier seasons, the
    known columns of the step, and its number. With `levels`, lags and means are also given without normalisation: for
    one series, trees can learn from the level itself.
    """
    channels, horizon = layout.channels, layout.horizon
    values = normalised(window, layout)[:, :, :channels]
    parts = _lags_and_means(values)
    if levels and layout.normalise != "none":
        parts += _lags_and_means(window[:, :, :channels])
    targets = values[:, :, : len(layout.targets)]
    parts += [ops.std(targets[:, -length:], axis=1) for length in DEVIATION_LENGTHS if length <= layout.history]
    common = ops.concatenate(parts, axis=-1)
    steps = ops.repeat(common[:, None, :], horizon, axis=1)
    columns = [steps, *_seasonal(targets, layout)]
    if layout.known:
        columns.append(window[:, -horizon:, channels:])
    if horizon > 1:
        columns.append(ops.cumsum(ops.ones_like(steps[:, :, :1]), axis=1))
    return ops.concatenate(columns, axis=-1)


def _lags_and_means(values: Any) -> list[Any]:
    """Return the last values, and the means of the last 2, 4, 8, …, of each channel, (batch, features) each."""
    history, channels = values.shape[1:]
    lags = min(MAX_LAGS, history)
    lengths = [2**power for power in range(1, history.bit_length()) if 2**power <= history]
    return [
        ops.reshape(values[:, -lags:], (-1, lags * channels)),
        *(ops.mean(values[:, -length:], axis=1) for length in lengths),
    ]


def _seasonal(targets: Any, layout: Layout) -> list[Any]:
    """Return the values one, two, … seasons before each step, (batch, horizon, targets) each."""
    history, season = layout.history, layout.season
    if not season:
        return []
    places = [
        [history - ago * season + step % season for step in range(layout.horizon)] for ago in range(1, SEASONS + 1)
    ]
    return [ops.take(targets, steps, axis=1) for steps in places if min(steps) >= 0 and max(steps) < history]
