"""Channels and what is known ahead count for what the network makes of them."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.evaluate import features_of, importance_of_channels
from gristmill.util.table_io import read_document
from helpers.small_runs import Folders, assembled

pytest_plugins = ["helpers.small_runs"]


def of_four_columns() -> Prepared:
    """Return noise, but for a target that is nearly twice the input a step before; 20 windows are for validation."""
    columns = np.random.default_rng(0).normal(size=(100, 4))
    columns[1:, 0] = 2 * columns[:-1, 1] + columns[1:, 0] / 10
    return assembled(columns, inputs=1, known=2, validation=20, test=20)


def by_input(data: Prepared) -> keras.Model:
    """Return a network that forecasts twice the last value of the input, and sees nothing else."""
    window = keras.Input((data.layout.history, 4))
    return keras.Model(window, 2 * window[:, -1:, 1:2])


def test_only_what_the_network_sees_counts() -> None:
    data = of_four_columns()

    found = importance_of_channels(data, by_input(data), "mae", None)

    assert found
    assert (found["part"], found["of"], found["examples"]) == ("validation", "windows", 20)
    first, *others = found["features"]
    assert first["feature"] == "y1"
    assert 0 < first["low"] < first["rise"] < first["high"]
    assert [(other["rise"], other["low"], other["high"]) for other in others] == [(0, 0, 0)] * 3


def test_the_error_is_that_of_the_forecasts_themselves() -> None:
    data = of_four_columns()
    starts = data.origins("validation")
    forecasts = 2 * data.values[starts - 1, 1]

    found = importance_of_channels(data, by_input(data), "mae", None)

    assert found
    assert found["error"] == pytest.approx(np.abs(data.values[starts, 0] - forecasts).mean())


def test_without_a_unit_for_the_errors_nothing_is_weighed() -> None:
    """Nothing moved before the validation set, by whose errors MASE is scaled."""
    data = of_four_columns()
    data.values[: data.part("validation")[0, 0], 0] = 0

    assert importance_of_channels(data, by_input(data), "mase", None) is None
    assert importance_of_channels(data, by_input(data), "mae", None)


def test_a_median_is_weighed_where_quantiles_are_learned() -> None:
    data = of_four_columns()
    window = keras.Input((data.layout.history, 4))
    last = window[:, -1:, 1:2]
    network = keras.Model(window, keras.ops.concatenate([last - 9, 2 * last, last + 9], axis=-1))

    by_quantiles = importance_of_channels(data, network, "mae", [0.05, 0.5, 0.95])

    assert by_quantiles == importance_of_channels(data, by_input(data), "mae", None)


def test_a_calendar_part_and_all_waves_are_one_feature_each() -> None:
    names = ["holiday", "weekday 0", "weekday 1", "weekend", "year sin 1", "year cos 1", "11.0 sin 1"]
    layout = replace(assembled(np.arange(20)).layout, targets=["sales", "visits"], inputs=["rain"], known=names)

    assert features_of(layout) == {
        "history of sales": [0],
        "history of visits": [1],
        "rain": [2],
        "holiday": [3],
        "weekday": [4, 5],
        "weekend": [6],
        "harmonics": [7, 8, 9],
    }


def test_a_history_alone_is_not_weighed(solved: Folders) -> None:
    assert not (solved["evaluate"] / "importance.json").exists()


@pytest.mark.slow
def test_several_targets_are_weighed_in_the_metric_of_the_headline(rolled: Folders) -> None:
    found, scores = (read_document(rolled["evaluate"] / name) for name in ("importance.json", "scores.json"))

    assert found["metric"] == scores["headline"]["metric"] == "mase"
    assert {feature["feature"] for feature in found["features"]} == {"history of sales", "history of returns"}
    assert found["part"] == "test"  # a model in closed form was fitted on the validation set too
    assert found["error"] == pytest.approx(scores["model"]["test"]["mase"])
