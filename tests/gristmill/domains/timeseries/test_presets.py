"""Every preset holds valid candidates, cheap ones first, and needs no validation set."""

from typing import Any, Literal

import pytest

from gristmill.config.candidates import candidates_of, preset
from gristmill.config.domains import domain_of
from gristmill.config.tables import read_table
from gristmill.domains.timeseries.presets import PRESETS
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.settings.selection import Auto, Preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_train_without_a_validation_set(name: Preset) -> None:
    choices = domain_of("timeseries").tables
    tables: dict[str, Any] = {table: read_table(choices[table], {}, table, table, []) for table in ("train", "select")}

    found = candidates_of("timeseries", tables | {"model": Auto(kind="auto", preset=name)})

    points = PRESETS[name]
    assert len(found) == len(points({}) if callable(points) else points)
    assert found[0].name == "naive"
    closed = [hasattr(one.tables["model"], "fit") for one in found]
    assert closed == sorted(closed, reverse=True)
    assert all(getattr(one.tables["train"], "patience", 0) is None for one in found)
    assert {"ridge", "boosted_trees"} <= {one.name for one in found}


@pytest.mark.parametrize("split", ["per_series", "time_short"])
def test_good_adds_no_network_to_short_series(split: Literal["per_series", "time_short"]) -> None:
    tables = {"preprocess": Preprocess(history=4, horizon=2, split=split)}

    kinds = {name: [point["model"]["kind"] for point in preset("timeseries", name, tables)] for name in PRESETS}

    assert kinds["good"] == kinds["quick"]
    assert {"multiscale", "conv_lstm"} <= set(kinds["best"])
