"""Columns count for what the network makes of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.evaluate import importance_of_columns
from gristmill.domains.tabular.report import sections
from gristmill.training import saved_network
from gristmill.util.table_io import read_document

Folders = dict[str, Path]


def test_every_column_is_weighed_on_the_validation_rows(mixed: Folders) -> None:
    found = read_document(mixed["evaluate"] / "importance.json")

    assert (found["part"], found["metric"], found["examples"]) == ("validation", "mae", 10)
    assert {feature["feature"] for feature in found["features"]} == {"area", "rooms of it", "part"}
    assert found["features"][0]["feature"] == "area"  # which counts for most of the price
    assert found["error"] == read_document(mixed["evaluate"] / "scores.json")["model"]["validation"]["mae"]


def test_a_rise_is_that_of_the_rows_with_another_s_value(mixed: Folders) -> None:
    data, network = dataset.read(mixed["preprocess"]), saved_network.read(mixed["train"])
    found = importance_of_columns(data, network)
    assert found
    rows = data.table[data.parts == "validation"]
    random, columns = np.random.default_rng(0), ["area", "rooms of it", "part"]
    orders = {column: [random.permutation(len(rows)) for _ in range(5)] for column in columns}

    for feature in found["features"]:
        errors = []
        for order in orders[feature["feature"]]:
            moved = rows.copy()
            for row, other in enumerate(order):
                moved.iloc[row, moved.columns.get_loc(feature["feature"])] = rows[feature["feature"]].iloc[other]
            made = predict_target(network, dataset.raw_inputs(moved, data.layout.numbers, list(data.layout.categories)))
            errors.append(np.abs(made - rows["price"].to_numpy()).mean())
        assert feature["rise"] == pytest.approx(np.mean(errors) - found["error"])
        assert feature["deviation"] == pytest.approx(np.std(errors))


def test_a_column_may_have_any_name(mixed: Folders) -> None:
    data, network = dataset.read(mixed["preprocess"]), saved_network.read(mixed["train"])
    named = {"area": "self", "rooms of it": "order"}
    layout = replace(data.layout, numbers=[named.get(name, name) for name in data.layout.numbers])

    found = importance_of_columns(replace(data, table=data.table.rename(columns=named), layout=layout), network)

    assert found
    assert {feature["feature"] for feature in found["features"]} == {"self", "order", "part"}


def test_without_validation_it_is_the_test_part(mixed: Folders) -> None:
    data = dataset.read(mixed["preprocess"])
    parts = np.where(data.parts == "validation", "train", data.parts)

    found = importance_of_columns(replace(data, parts=parts), saved_network.read(mixed["train"]))

    assert found
    assert (found["part"], found["examples"]) == ("test", 14)


def test_a_single_column_is_not_weighed(line: Folders) -> None:
    assert not (line["evaluate"] / "importance.json").exists()
    assert "Importance of the features" not in [section.title for section in sections(line)]


def test_the_report_tells_what_it_means_and_where_it_misleads(mixed: Folders) -> None:
    (section,) = (section for section in sections(mixed) if section.title == "Importance of the features")

    assert "correlated" in section.note
    assert "on the validation part" in section.note
    assert section.tables[0].headings == ["feature", "rise of MAE", "±", "of the MAE"]
    assert section.tables[0].rows[0][0] == "area"
