"""The graph reads the same numbers from a date as pandas does."""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from gristmill.domains.tabular.dataset import DATE_PARTS, date_numbers
from gristmill.domains.tabular.encoder import date_parts


def test_the_graph_and_pandas_agree_on_every_day_of_two_centuries() -> None:
    days = pd.Series(np.arange("1900-01-01", "2101-01-01", dtype="datetime64[D]").astype(str).astype(object), name="d")
    days[::7] += "T17:30"
    days[3::7] += " 05:00:00"
    days[5] = ""
    cell = keras.Input((), dtype="string")
    network = keras.Model(cell, date_parts(cell, "date"))

    made, expected = network.predict_on_batch(tf.constant(days.tolist())), date_numbers(days).to_numpy()

    np.testing.assert_array_equal(made, expected)
    assert np.isnan(made[5]).all()
    assert dict(zip(DATE_PARTS, made[59], strict=True)) == {
        "year": 1900,
        "month": 3,
        "weekday": 3,
        "hour": 5,
        "day": -25508,
    }
