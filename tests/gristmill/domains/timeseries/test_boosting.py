"""Features of windows, against a loop over windows and steps."""

from typing import Any

import numpy as np
import pytest
from keras import ops

from gristmill.domains.timeseries.fits.boosting import step_features
from helpers.small_runs import assembled

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(60, 4)).cumsum(axis=0)


def by_loop(window: Any, layout: Any, levels: bool) -> Any:
    """Return the features of one standardised window, (horizon, features): two targets, an input, a known column."""
    history, values = layout.history, window[:, :3]
    shift = {"none": 0, "last": values[-1], "reversible": values.mean(axis=0)}[layout.normalise]
    scale = values.std(axis=0) + 1e-3 if layout.normalise == "reversible" else 1
    normal = (values - shift) / scale
    row: list[float] = []
    for seen in [normal, values] if levels and layout.normalise != "none" else [normal]:
        row += [float(value) for lag in range(max(0, history - 24), history) for value in seen[lag]]
        length = 2
        while length <= history:
            row += [float(np.mean(seen[-length:, channel])) for channel in range(3)]
            length *= 2
    for length in (8, 32):
        if length <= history:
            row += [float(np.std(normal[-length:, target])) for target in range(2)]
    rows = []
    for step in range(layout.horizon):
        more: list[float] = []
        for ago in (1, 2):
            if layout.season and ago * layout.season <= history:
                place = step - ago * layout.season
                while place >= -(ago - 1) * layout.season:
                    place -= layout.season
                more += [float(value) for value in normal[place, :2]]
        more.append(float(window[history - layout.horizon + step, 3]))
        rows.append([*row, *more, *([step + 1.0] if layout.horizon > 1 else [])])
    return np.array(rows)


@pytest.mark.parametrize("normalise", ["none", "last", "reversible"])
@pytest.mark.parametrize("levels", [False, True])
@pytest.mark.parametrize(
    ("history", "horizon", "season"), [(30, 3, 7), (9, 1, None), (9, 9, 4), (35, 5, 20), (5, 2, 7)]
)
def test_features_are_those_of_a_loop(
    normalise: str, levels: bool, history: int, horizon: int, season: int | None
) -> None:
    data = assembled(
        VALUES, inputs=1, known=1, history=history, horizon=horizon, normalise=normalise, season=season or 0
    )
    layout = data.layout
    windows = (data.histories(data.origins("train")[:4]) - layout.mean) / layout.deviation

    found = np.asarray(step_features(ops.convert_to_tensor(windows.astype(np.float32)), layout, levels))

    assert layout.season == season
    assert found == pytest.approx(np.array([by_loop(window, layout, levels) for window in windows]), abs=1e-4)
