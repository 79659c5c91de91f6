"""A network's probabilities, image by image."""

from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.common.classification.decision import MOST_PROBABLE
from gristmill.domains.common.classification.predictions import misclassified, prediction_rows, read_predictions
from gristmill.domains.vision import dataset
from gristmill.domains.vision.dataset import Layout
from gristmill.domains.vision.image_classifier import probabilities_of
from gristmill.scores import MODEL
from gristmill.training import saved_network
from gristmill.util.table_io import read_document
from helpers.small_judged import Folders, write_pictures

pytest_plugins = ["helpers.small_judged"]

DECISIONS = {MODEL: MOST_PROBABLE, "p_ball": MOST_PROBABLE}


def test_probabilities_are_those_of_all_images_at_once(judged: Folders) -> None:
    data, network = dataset.read(judged["preprocess"]), saved_network.read(judged["train"])

    made = probabilities_of(network, data, "test")

    assert made == pytest.approx(np.asarray(network(data.pixels("test"))), abs=1e-5)


def test_a_row_names_the_image_its_class_and_what_it_was_taken_for(judged: Folders) -> None:
    data = dataset.read(judged["preprocess"])
    made = np.random.default_rng(0).dirichlet([1, 1, 1], 40)

    rows = prediction_rows(data, "test", {MODEL: made}, DECISIONS)

    assert rows.columns.tolist() == ["id", "part", "label", "predicted", "p_ball", "p_cup", "p_tree"]
    for row, own, label, number in zip(rows.to_dict("records"), made, data.labels("test"), range(40), strict=True):
        assert (row["id"], row["part"]) == (f"test/{number:03}", "test")
        assert row["label"] == ["ball", "cup", "tree"][label]
        assert row["predicted"] == ["ball", "cup", "tree"][own.argmax()]
        assert [row["p_ball"], row["p_cup"], row["p_tree"]] == own.tolist()


def test_a_baseline_has_a_column_of_what_it_takes_each_image_for(judged: Folders) -> None:
    data = dataset.read(judged["preprocess"])
    made, own = np.random.default_rng(0).dirichlet([1, 1, 1], (2, 40))

    rows = prediction_rows(data, "test", {MODEL: made, "p_ball": own}, DECISIONS)

    column = "predicted by p_ball"
    assert rows.columns.tolist() == ["id", "part", "label", "predicted", column, "p_ball", "p_cup", "p_tree"]
    assert rows[column].tolist() == [["ball", "cup", "tree"][at] for at in own.argmax(axis=1)]
    assert misclassified(rows).tolist() == (rows["label"] != rows["predicted"]).astype(float).tolist()
    assert misclassified(rows, "p_ball").tolist() == (rows["label"] != rows[column]).astype(float).tolist()
    written = read_predictions(judged["evaluate"], "test")
    linear = read_document(judged["evaluate"] / "scores.json")["baselines"]["linear_pixels"]["test"]
    assert misclassified(written, "linear_pixels").mean() == pytest.approx(1 - linear["accuracy"])


def test_what_was_written_is_read_part_by_part(judged: Folders) -> None:
    rows = read_predictions(judged["evaluate"], "test")

    assert rows["part"].unique().tolist() == ["test"]
    assert rows.index.tolist() == list(range(40))
    assert len(read_predictions(judged["evaluate"], "validation")) == 20


@pytest.mark.parametrize("positions", [[39, 0, 21, 0], [5], []])
def test_pixels_are_picked_in_the_order_of_the_positions(judged: Folders, positions: list[int]) -> None:
    data = dataset.read(judged["preprocess"])

    assert np.array_equal(data.pick_pixels("test", positions), data.pixels("test")[positions])


def test_pixels_are_picked_from_any_batch(tmp_path: Path) -> None:
    data = write_pictures(tmp_path, Layout(12, 10, 1, "raw", "stretch", ["a", "b", "c"], {}), {"test": 600})

    assert np.array_equal(data.pick_pixels("test", [599, 3, 300]), data.pixels("test")[[599, 3, 300]])
