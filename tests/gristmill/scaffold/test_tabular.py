"""What is proposed for tables of cases: target, numbers, categories, and what is left out."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.errors import DataError, RequestError
from gristmill.scaffold.data import data_at
from gristmill.scaffold.proposal import Proposal
from gristmill.scaffold.tabular import propose

Propose = Callable[..., Proposal]

COLUMNS: dict[str, Any] = {
    "id": range(1, 61),
    "name": [f"house {at}" for at in range(60)],
    "town": ["Ulm", "Bonn", "Kiel"] * 20,
    "rooms": [2, 3, 4, 5] * 15,
    "country": ["de"] * 60,
    "age": [*range(29), None, *range(30)],
    "stray": [*range(58), "ca. 3", "ca. 3"],
    "empty": [None] * 59 + [1],
    "price": np.random.default_rng(4).normal(size=60).round(3),
}


@pytest.fixture
def proposed(tmp_path: Path) -> Propose:
    """Propose a pipeline for a table of these columns."""

    def call(columns: dict[str, Iterable[Any]], target: str | None = None) -> Proposal:
        path = tmp_path / "given.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        return propose(data_at(str(path), tmp_path), target)

    return call


def test_a_column_that_float32_cannot_resolve_is_left_out(proposed: Propose) -> None:
    draft = proposed({"big": [2**62 + at % 7 * 1024 for at in range(60)]} | COLUMNS)

    assert "big" not in draft.values()["ingest"]["numbers"]
    assert any(note.startswith("Not used: 'big', which varies by ") for note in draft.notes)


def test_a_target_that_float32_cannot_resolve_is_refused(proposed: Propose) -> None:
    with pytest.raises(DataError, match=r"given.csv: column 'big' varies by .* or choose another with --target"):
        proposed({"rooms": [2, 3, 4] * 20, "big": [2**62 + at % 7 * 1024 for at in range(60)]})


def test_an_unknown_unit_is_named_with_its_setting(proposed: Propose) -> None:
    pieces = [f"{at % 37 + 1} Stk" for at in range(60)]

    assert any(
        """such as '1 Stk'; if 'Stk' is a unit, set the source's units = { pieces = "Stk" }.""" in note
        for note in proposed({"pieces": pieces} | COLUMNS).notes
    )


def test_times_that_are_not_read_are_shown_with_a_remedy(proposed: Propose) -> None:
    weeks = [f"2022-W{at:02}" for at in range(1, 53)]

    with pytest.raises(DataError, match=r"holds 52 different texts such as '2022-W01'; if these are times, write them"):
        proposed({"week": weeks, "v": np.random.default_rng(4).normal(size=52).round(3)})


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
        "Not used: 'name', which holds 60 different texts.",
        "Not used: 'country', 'empty', each of which holds one value.",
        "Not used: 'stray', which holds 'ca. 3' among numbers: empty such cells to use it.",
    ]
    whys = {guess.key: guess.why for guess in draft.tables["ingest"]}
    assert whys["missing"] == "rows with an empty cell: 1 of 60"
    assert whys["target"] == "the last of 3 numeric columns; choose another with --target"


@pytest.mark.parametrize("bad", [["free"] * 3, ["n/a ", "free", "12 EUR"], ["free"] * 20])
def test_a_target_with_cells_that_are_no_numbers_is_not_replaced_by_another(proposed: Propose, bad: list[str]) -> None:
    columns = COLUMNS | {"rent": [*range(0, 2 * (60 - len(bad)), 2), *bad]}
    row = columns["rent"].index("free") + 2  # n/a stands for no value, and is no mistake

    with pytest.raises(DataError) as raised:
        proposed(columns)

    assert f"given.csv row {row}, column 'rent': expected a number, found 'free' (" in str(raised.value)
    assert str(raised.value).endswith("leave such cells empty, or choose another column with --target.")
    assert proposed(columns, target="price").values()["ingest"]["target"] == "price"
    with pytest.raises(DataError, match=f"row {row}, column 'rent': expected a number, found 'free'"):
        proposed(columns, target="rent")


def test_what_could_be_no_target_if_it_were_numbers_stops_nothing(proposed: Propose) -> None:
    draft = proposed(
        COLUMNS
        | {
            "zone": ["A1", "A2", "3"] * 20,
            "house_id": [*range(59), "new"],
            "same": [5] * 58 + ["five", None],
        }
    )

    assert draft.values()["ingest"]["target"] == "price"


def test_a_bad_cell_among_decimal_commas_is_named(tmp_path: Path) -> None:
    rows = [f"{at % 7};{at},5" for at in range(60)]
    rows[31] = "3;12 EUR"
    (tmp_path / "given.csv").write_text("\n".join(["x;y", *rows]))

    with pytest.raises(DataError, match=r"given\.csv row 33, column 'y': expected a number, found '12 EUR' \(1 such"):
        propose(data_at(str(tmp_path / "given.csv"), tmp_path), None)


def test_marks_of_missing_values_are_empty_cells(proposed: Propose) -> None:
    draft = proposed(COLUMNS | {"age": ["N/A", *range(1, 58), " -", None], "town": ["Ulm", "Bonn", "none"] * 20})

    assert draft.values()["source"]["missing"] == ["-", "N/A"]
    assert draft.values()["ingest"]["numbers"] == ["rooms", "age"]
    whys = {guess.key: guess.why for table in draft.tables.values() for guess in table}
    assert whys["missing"] == "rows with an empty cell: 3 of 60"
    (mark,) = (guess for guess in draft.tables["source"] if guess.key == "missing")
    assert mark.why == "treated as empty among the numbers of 'age'"
    assert draft.values()["ingest"]["categories"] == ["town"]  # of which none is a name


def test_booleans_are_names(tmp_path: Path) -> None:
    cases = pd.DataFrame({"x": COLUMNS["price"], "rooms": COLUMNS["rooms"], "new": [True, False, None] * 20})
    cases.to_parquet(tmp_path / "cases.parquet")
    draft = propose(data_at(str(tmp_path / "cases.parquet"), tmp_path), None)

    assert draft.values()["ingest"] == {
        "target": "rooms",
        "numbers": ["x"],
        "categories": ["new"],
        "missing": "drop",
    }


def test_another_target_can_be_named(proposed: Propose) -> None:
    assert proposed(COLUMNS, target="rooms").values()["ingest"]["target"] == "rooms"
    with pytest.raises(RequestError, match=r"^--target town: 3 classes, but no domain classifies tables"):
        proposed(COLUMNS, target="town")
    with pytest.raises(DataError, match=r"the column 'name' holds texts such as 'house 0'\. Fix it, or choose another"):
        proposed(COLUMNS, target="name")
    with pytest.raises(DataError, match=r"row 60, column 'stray': expected a number, found 'ca\. 3' \(2 such"):
        proposed(COLUMNS, target="stray")
    with pytest.raises(DataError, match="no column 'rent'"):
        proposed(COLUMNS, target="rent")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": ["a", "b"] * 20}, "no numeric column to predict ('name' holds texts such as 'a')"),
        ({"y": [1.5, 2.5] * 20}, "no column to predict 'y' from. There is no other column."),
        (
            {"id": range(40), "y": [1.5, 2.5] * 20},
            "no column to predict 'y' from. Not used: 'id', which numbers the rows",
        ),
        ({"x": [1.5, 3.5, 2.5], "y": [1, 2.5, 2.5]}, "3 rows are too few. Expected at least 10"),
    ],
)
def test_what_cannot_be_predicted_is_refused_in_one_line(proposed: Propose, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as raised:
        proposed(columns)

    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_ids_are_no_targets_where_there_are_others(proposed: Propose) -> None:
    draft = proposed({"x": np.arange(80) % 7, "y": np.arange(80) % 9, "agent_id": np.arange(80) % 8})

    target, numbers = draft.tables["ingest"]
    assert target.value == "y"
    assert target.why == "the last of 2 numeric columns not named like an ID; choose another with --target"
    assert numbers.value == ["x", "agent_id"]


def test_a_target_of_two_values_is_said_to_be_a_number(proposed: Propose) -> None:
    (note,) = proposed({"x": np.arange(80) % 7, "y": [0, 1, 1, 0] * 20}).notes

    assert note.startswith("'y' holds two values: it is predicted as a number")


def test_a_column_of_two_units_is_not_read_as_numbers(proposed: Propose) -> None:
    cells = [f"{at + 100} {'kg' if at % 2 else 'g'}" for at in range(40)]
    with pytest.raises(DataError, match="no numeric column to predict"):
        proposed({"weight": cells})


def test_yes_and_no_are_numbers_where_they_are_to_be_predicted(proposed: Propose) -> None:
    columns = {"x": np.arange(60) % 7, "y": np.arange(60) % 5, "bought": ["Yes", "no", "no"] * 20}

    assert proposed(columns).values()["ingest"] == {"target": "y", "numbers": ["x"], "categories": ["bought"]}
    asked = proposed(columns, target="bought").values()
    assert asked["source"]["values"] == {"bought": {"yes": 1, "no": 0}}
    assert asked["ingest"] == {"target": "bought", "numbers": ["x", "y"]}


@pytest.mark.parametrize(
    ("leak", "figure"),
    [
        (lambda price: price * 1.08, "follows the target (rank correlation 1.0000)"),
        (lambda price: -price.round(2), "follows the target (rank correlation 1.0000)"),
        (lambda price: np.where(price > 0, "dear", "cheap"), None),  # tells much, but not all
    ],
)
def test_an_input_that_nearly_is_the_target_is_named(
    proposed: Propose, leak: Callable[[Any], Any], figure: str | None
) -> None:
    notes = [note for note in proposed({"leak": leak(COLUMNS["price"])} | COLUMNS).notes if "leak" in note]

    said = f"Possible leak: 'leak' {figure}. Leave it out unless you know it before the target 'price'."
    assert notes == ([said] if figure else [])


def test_another_way_of_writing_two_values_is_named(proposed: Propose) -> None:
    sold = [0, 1, 1, 0, 1] * 16
    columns = {"size": np.arange(80) % 7, "state": ["gone" if one else "here" for one in sold], "sold": sold}

    assert proposed(columns).notes[-1] == (
        "Possible leak: 'state' tells the target: each of its 2 values goes with one, in 100.0% of the rows. "
        "Leave it out unless you know it before the target 'sold'."
    )


def test_numbers_that_are_too_large_are_not_said_to_have_marks(proposed: Propose) -> None:
    with pytest.raises(DataError, match="'price' holds texts such as"):
        proposed({"price": ["9" * 40] * 20 + ["8" * 40] * 20})


def test_small_tables_get_larger_parts(proposed: Propose) -> None:
    small, large = (proposed({"x": np.arange(rows) % 7, "y": np.arange(rows) % 9}).values() for rows in (100, 1000))

    assert small["model"] == large["model"] == {"kind": "auto", "preset": "quick"}
    assert "train" not in small
    assert (small["preprocess"]["test"], large["preprocess"]["test"]) == (0.25, 0.2)
