"""Every preset holds valid candidates, cheap ones first, and needs no validation set."""

from typing import Any

import pytest

from gristmill.config.candidates import candidates_of
from gristmill.config.tables import read_table, tables_of
from gristmill.domains.timeseries.presets import PRESETS
from gristmill.settings.selection import Auto


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_train_without_a_validation_set(name: str) -> None:
    choices = tables_of("timeseries")
    tables: dict[str, Any] = {table: read_table(choices[table], {}, table, table, []) for table in ("train", "select")}

    found = candidates_of("timeseries", tables | {"model": Auto(kind="auto", preset=name)})

    assert len(found) == len(PRESETS[name])
    assert found[0].name == "naive"
    closed = [hasattr(one.tables["model"], "fit") for one in found]
    assert closed == sorted(closed, reverse=True)
    assert all(getattr(one.tables["train"], "patience", 0) is None for one in found)
    assert {"ridge", "boosted_trees"} <= {one.name for one in found}
