"""What a network is built to, and the features of models that know no sequence."""

import numpy as np
import pytest

from gristmill.domains.timeseries.models import Shape

WINDOW = np.arange(2 * 4 * 5, dtype=np.float32).reshape(2, 4, 5)  # (batch, history, channels + known)


def test_lags_hold_every_value_and_nothing_known_of_the_past() -> None:
    shape = Shape(history=4, horizon=2, channels=3, known=2, outputs=2)

    lags = np.asarray(shape.lags(WINDOW))

    assert shape.columns == 5
    assert lags.shape == (2, 4 * 3 + 2 * 2)
    for row, window in zip(lags, WINDOW, strict=True):
        values = [window[step, channel] for step in range(4) for channel in range(3)]
        ahead = [window[step, column] for step in (2, 3) for column in (3, 4)]  # read two steps ahead: steps 1 and 2
        assert row.tolist() == values + ahead


@pytest.mark.parametrize("horizon", [1, 4])
def test_without_known_columns_lags_are_the_window_in_a_row(horizon: int) -> None:
    shape = Shape(history=4, horizon=horizon, channels=5, known=0, outputs=1)

    assert np.asarray(shape.lags(WINDOW)).tolist() == WINDOW.reshape(2, 20).tolist()


def test_a_horizon_as_long_as_the_history_takes_all_that_is_known() -> None:
    shape = Shape(history=4, horizon=4, channels=4, known=1, outputs=1)

    assert np.asarray(shape.lags(WINDOW))[:, 16:].tolist() == WINDOW[:, :, 4].tolist()
