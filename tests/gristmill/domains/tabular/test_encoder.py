"""Rows are encoded by layers whose whole state is in their configuration."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular.dataset import Layout
from gristmill.domains.tabular.encoder import build_encoder, encode, predict_target, wrap_network
from gristmill.domains.tabular.models import Shape
from gristmill.domains.tabular.models.dense import Dense
from gristmill.training import saved_network

TOWNS = ["[UNK]", "Köln", "Ulm"]
MIXED = Layout(
    target="y",
    numbers=["x", "z"],
    categories={"town": TOWNS, "kind": ["flat"]},
    mean={"x": 2.0, "z": -1.0, "y": 100.0},
    deviation={"x": 4.0, "z": 0.5, "y": 10.0},
)
ROWS = pd.DataFrame({"x": [2.0, 10], "z": [0.0, -1], "town": ["Ulm", "Bonn"], "kind": ["flat", "house"]})
INPUTS = MIXED.inputs(ROWS)


def test_numbers_are_standardised_and_each_name_has_its_column_after_that_of_unknown_ones() -> None:
    assert encode(INPUTS, MIXED).tolist() == [
        [0, 2, 0, 0, 0, 1, 0, 1],
        [2, 0, 1, 0, 0, 0, 1, 0],
    ]
    assert MIXED.features == 8


def test_a_name_in_several_columns_has_its_position_in_each_and_is_unknown_in_the_others() -> None:
    categories = {"from": ["b", "a", "c"], "to": ["c", "d"], "via": ["a"]}
    layout = Layout("y", [], categories, {"y": 0.0}, {"y": 1.0})
    cells = [["a", "c", "a"], ["c", "a", "b"], ["d", "d", "d"]]
    rows = encode(layout.inputs(pd.DataFrame(cells, columns=list(categories))), layout)
    assert rows.tolist() == [
        [0, 0, 1, 0, 0, 1, 0, 0, 1],
        [0, 0, 0, 1, 1, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 0, 1, 1, 0],
    ]


def test_names_are_told_apart_by_every_character() -> None:
    names = ["Köln", "Bonn", "ulm", "Ulm", " Ulm", "köln", "[UNK]", "Ko\u0308ln"]
    layout = Layout("y", [], {"town": TOWNS}, {"y": 0.0}, {"y": 1.0})
    rows = encode(layout.inputs(pd.DataFrame({"town": names})), layout)
    assert rows.argmax(axis=1).tolist() == [2, 0, 0, 3, 0, 0, 1, 0]
    assert (rows.sum(axis=1) == 1).all()


def test_numbers_alone_are_standardised() -> None:
    layout = Layout("y", ["x"], {}, {"x": 2.0, "y": 0.0}, {"x": 4.0, "y": 1.0})
    assert encode(layout.inputs(ROWS), layout).tolist() == [[0], [2]]


def test_a_large_mean_costs_no_digits() -> None:
    """The difference is taken before the division: years are told apart, though they are many deviations from 0."""
    layout = Layout("y", ["x"], {}, {"x": 2000.0, "y": 0.0}, {"x": 1 / 64, "y": 1.0})
    assert encode(np.array([[2000 + 1 / 128]], np.float32), layout).tolist() == [[0.5]]


def test_tiny_and_huge_numbers_are_standardised_too() -> None:
    layout = Layout("y", ["x", "z"], {}, {"x": 3e-9, "z": 4e25, "y": 0.0}, {"x": 1e-9, "z": 2e25, "y": 1.0})
    assert encode(np.array([[5e-9, 0.0]], np.float32), layout)[0] == pytest.approx([2, -2])


def test_the_network_gives_the_targets_own_units_and_is_kept_whole(tmp_path: Path) -> None:
    core = Dense(kind="dense", units=()).build(Shape(MIXED.features, 1))
    core.set_weights([np.arange(8.0)[:, np.newaxis], np.array([0.5])])
    network = wrap_network(core, MIXED)

    saved_network.write(network, tmp_path)

    by_hand = [100 + 10 * (2 + 5 + 7 + 0.5), 100 + 10 * (0 + 2 + 6 + 0.5)]
    assert predict_target(network, INPUTS) == pytest.approx(by_hand)
    assert predict_target(saved_network.read(tmp_path), INPUTS).tolist() == predict_target(network, INPUTS).tolist()


def test_encoding_has_nothing_to_train() -> None:
    assert build_encoder(MIXED).variables == []
    assert all(type(layer).__module__.startswith("keras.") for layer in build_encoder(MIXED).layers)
    assert len(wrap_network(Dense(kind="dense", units=()).build(Shape(8, 1)), MIXED).variables) == 2


def test_equal_layouts_give_equal_architectures() -> None:
    made = []
    for _ in range(2):
        keras.backend.clear_session()
        made.append(wrap_network(Dense(kind="dense").build(Shape(8, 1)), MIXED).to_json())
    assert made[0] == made[1]
