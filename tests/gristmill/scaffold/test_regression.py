"""What is proposed for tables of cases: target, numbers, categories, and what is left out."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.errors import DataError
from gristmill.scaffold.data import data_at
from gristmill.scaffold.draft import Draft
from gristmill.scaffold.regression import propose

Propose = Callable[..., Draft]

COLUMNS: dict[str, Any] = {
    "id": range(1, 61),
    "name": [f"house {at}" for at in range(60)],
    "town": ["Ulm", "Bonn", "Kiel"] * 20,
    "rooms": [2, 3, 4, 5] * 15,
    "country": ["de"] * 60,
    "age": [*range(29), None, *range(30)],
    "stray": [*range(58), "?", "?"],
    "empty": [None] * 59 + [1],
    "price": np.random.default_rng(4).normal(size=60).round(3),
}


@pytest.fixture
def proposed(tmp_path: Path) -> Propose:
    """Propose a pipeline for a table of these columns."""

    def call(columns: dict[str, Iterable[Any]], target: str | None = None) -> Draft:
        path = tmp_path / "given.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        return propose(data_at(str(path), tmp_path), target)

    return call


def test_the_last_number_is_predicted_from_what_can_tell_something(proposed: Propose) -> None:
    draft = proposed(COLUMNS)

    assert draft.values()["ingest"] == {
        "target": "price",
        "numbers": ["rooms", "age"],
        "categories": ["town"],
        "missing": "drop",
    }
    assert draft.notes == [
        "Not used: 'id', which numbers the rows.",
        "Not used: 'name', which holds text of 60 kinds.",
        "Not used: 'country', 'empty', each of which holds one value.",
        "Not used: 'stray', which holds '?' beside numbers: empty such cells, and it can be used.",
    ]
    whys = {guess.key: guess.why for guess in draft.tables["ingest"]}
    assert whys["missing"] == "rows with an empty cell: 1 of 60"
    assert whys["target"] == "the last of 3 columns of numbers; another by --target"


def test_another_target_can_be_named(proposed: Propose) -> None:
    assert proposed(COLUMNS, target="rooms").values()["ingest"]["target"] == "rooms"
    with pytest.raises(DataError, match=r"the column 'town' holds no numbers\. Mend it, or name another"):
        proposed(COLUMNS, target="town")
    with pytest.raises(DataError, match=r"the column 'stray' holds '\?' beside numbers"):
        proposed(COLUMNS, target="stray")
    with pytest.raises(DataError, match="no column 'rent'"):
        proposed(COLUMNS, target="rent")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": ["a", "b"] * 20}, "no column of numbers to predict ('name' holds no numbers)"),
        ({"y": [1.5, 2.5] * 20}, "no column to predict 'y' from. There is no other column."),
        (
            {"id": range(40), "y": [1.5, 2.5] * 20},
            "no column to predict 'y' from. Not used: 'id', which numbers the rows",
        ),
        ({"x": [1.5, 3.5, 2.5], "y": [1, 2.5, 2.5]}, "3 rows are too few. Expected 10"),
    ],
)
def test_what_cannot_be_predicted_is_refused_in_one_line(proposed: Propose, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as raised:
        proposed(columns)

    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_large_tables_are_learnt_in_larger_steps(proposed: Propose) -> None:
    small = proposed({"x": np.arange(100) % 7, "y": np.arange(100) % 9}).values()
    large = proposed({"x": np.arange(30_000) % 7, "y": np.arange(30_000) % 9}).values()

    assert (small["train"]["batch_size"], large["train"]["batch_size"]) == (16, 256)
    assert (small["preprocess"]["test"], large["preprocess"]["test"]) == (0.25, 0.2)
