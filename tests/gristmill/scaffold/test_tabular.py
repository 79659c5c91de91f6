"""What is proposed for tables of cases: target, numbers, categories, and what is left out."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import SHARED
from gristmill.errors import DataError
from gristmill.scaffold.data import data_at
from gristmill.scaffold.proposal import Proposal
from gristmill.scaffold.tabular import propose

Propose = Callable[..., Proposal]
NUMBERS = np.random.default_rng(5).normal(size=60).round(3)

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
        "task": "regression",
        "numbers": ["rooms", "age"],
        "categories": ["town"],
    }
    assert draft.notes == [
        "Not used: 'id', which numbers the rows.",
        "Not used: 'name', which has a different value in each row.",
        "Not used: 'country', 'empty', each of which has only one value.",
        "Not used: 'stray', which holds 'ca. 3' among numbers: empty such cells to use it.",
    ]
    whys = {guess.key: guess.why for guess in draft.tables["ingest"]}
    assert whys["numbers"] == "remove those that reveal the target; 1 empty cell in 'age'"
    assert whys["task"] == "59 different numbers"
    assert whys["target"] == "chosen by its name; for another: --target 'rooms'"


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


@pytest.mark.parametrize(
    ("target", "cells", "row"),
    [
        (None, [*range(40)] * 9 + [*range(36), *["inf"] * 4], 398),
        ("risk", [*range(40)] * 9 + [*range(36), *["inf"] * 4], 398),
        ("risk", [7, "4O", *[8, 9] * 99], 3),
        ("risk", [1.5, "inf"] * 100, 3),
    ],
)
def test_numbers_with_a_few_bad_cells_are_no_classes(
    proposed: Propose, target: str | None, cells: list[Any], row: int
) -> None:
    columns = {"town": ["Ulm", "Bonn", "Kiel", "Ulm"] * (len(cells) // 4), "risk": cells}

    with pytest.raises(DataError, match=f"row {row}, column 'risk': expected a number, found '{cells[row - 2]}'"):
        proposed(columns, target=target)


def test_classes_may_be_numbers_and_words(proposed: Propose) -> None:
    draft = proposed(COLUMNS | {"stars": [1, 2, 3, 4, 5, "none given"] * 10}, target="stars")

    assert draft.values()["ingest"]["task"] == "classification"


@pytest.mark.parametrize(
    ("last", "target", "why"),
    [
        (
            {"kind": ["a", "b", "c"] * 20},
            "kind",
            "the last column, 3 others; for another: --target 'z'",
        ),
        ({"kind": [0, 1] * 30}, "kind", "the last column, 3 others; for another: --target 'z'"),
        (
            {"ok": ["yes", "no"] * 30, "w": np.roll(NUMBERS, 1)},
            "w",
            "the last of 4 numeric columns; for another: --target ",
        ),
        (
            {
                "town": ["Ulm", "Bonn", "Kiel"] * 20,
                "a": ["x", "y", "z"] * 20,
                "b": ["u", "v", "w"] * 20,
                "c": ["k", "l", "m"] * 20,
                "ok": ["yes", "no"] * 30,
            },
            "ok",
            "the last column, 7 others; for another: ",
        ),
        ({"note": [f"n {at}" for at in range(60)]}, "z", "the last of 3 numeric columns; for another: --target"),
    ],
)
def test_the_last_column_of_classes_is_predicted(
    proposed: Propose, last: dict[str, Any], target: str, why: str
) -> None:
    draft = proposed({"x": NUMBERS, "y1": NUMBERS[::-1], "z": np.abs(NUMBERS)} | last)
    (guess,) = (guess for guess in draft.tables["ingest"] if guess.key == "target")
    assert guess.value == target
    assert guess.why.startswith(why)


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
    assert whys["numbers"].endswith("; 3 empty cells in 'age'")
    (mark,) = (guess for guess in draft.tables["source"] if guess.key == "missing")
    assert mark.why == "treated as empty among the numbers of 'age'"
    assert draft.values()["ingest"]["categories"] == ["town"]  # of which none is a name


@pytest.mark.parametrize(
    ("age", "values", "meant"),
    [
        (None, ["red", "blue", "NA"], ["NA"]),
        (None, ["red", "blue", " n/a", "NA"], ["NA", "n/a"]),
        (None, ["YES", "NO", "NA"], ["NA"]),
        (None, ["2024-01-01", "2024-01-02", "-"], ["-"]),
        ("NA", ["2.5", "x", "y", "NA"], ["NA"]),
        ("None", ["gas", "oil", "None"], ["None"]),
        (None, ["red", "blue", "NA", None], None),  # empty cells may mean something else
        ("NA", ["red", "blue", "NA", None], None),
        ("NA", ["ZA", "BW", "NA"], None),  # Namibia
        (None, ["EMEA", "APAC", "NA"], None),  # North America
        (None, ["na", "za", "bw"], None),
        (None, ["Na", "K", "Cl"], None),  # sodium
        (None, ["+", "-", "++"], None),
        ("NA", ["gas", "oil", "None"], None),
        ("NA", ["yes", "NA"], None),  # says something only if it is a value
    ],
)
def test_a_mark_of_missing_values_has_one_meaning_in_a_column(
    proposed: Propose, age: str | None, values: list[Any], meant: list[str] | None
) -> None:
    columns = {"kind": (values * 60)[:60], "age": [age or 7, *range(1, 60)]}
    draft = proposed(COLUMNS | columns, target="price")

    source, ingest = (draft.values()[name] for name in ("source", "ingest"))
    assert "kind" in [*ingest["categories"], *ingest.get("dates", [])]
    assert source.get("missing", []) == (meant or ([age] if age else []))
    assert source.get("missing_in", []) == (["kind"] if meant else [])
    notes = [note for note in draft.notes if note.startswith("Check ") and "in 'kind': kept as a value" in note]
    assert len(notes) == (0 if meant else 1)


def test_a_mark_is_a_value_in_one_column_and_an_empty_cell_in_another(proposed: Propose) -> None:
    kinds = {"heating": ["gas", "oil", "none", "?"] * 15, "alley": ["gravel", "paved", "?"] * 20}
    draft = proposed(COLUMNS | kinds | {"zone": ["+", "?"] * 30}, target="price")

    assert draft.values()["source"]["missing"] == ["?"]
    assert draft.values()["source"]["missing_in"] == ["heating", "alley"]
    (heating, zone) = (note for note in draft.notes if note.startswith("Check "))
    assert heating.startswith("Check 'none' in 'heating'")
    assert zone.startswith("Check '?' in 'zone'")


def test_rows_whose_class_is_marked_as_missing_are_left_out(proposed: Propose) -> None:
    draft = proposed(CASES | {"sick": ["yes", "no", "NA", "no"] * 50}, target="sick")

    assert draft.tables["ingest"][0].why == "as requested"
    assert draft.notes[0] == "Rows without 'sick' are left out: 50 of 200."
    assert draft.values()["source"]["missing_in"] == ["sick"]


@pytest.mark.parametrize(
    ("filled", "rows", "used"), [(9, 60, False), (10, 60, True), (19, 1000, False), (20, 1000, True)]
)
def test_a_nearly_empty_column_is_left_out_with_a_note(proposed: Propose, filled: int, rows: int, used: bool) -> None:
    numbers = np.random.default_rng(1).normal(size=(2, rows)).round(3)
    coupon = [at % 7 + 0.5 if at < filled else None for at in range(rows)]
    draft = proposed({"coupon": coupon, "size": numbers[0], "price": numbers[1]})

    assert draft.values()["ingest"]["numbers"] == (["coupon", "size"] if used else ["size"])
    share = 100 * (rows - filled) // rows
    note = f"Not used: 'coupon', which is empty in {share} % of the rows, so too little to learn from; "
    assert any(other.startswith(note) for other in draft.notes) is not used


def test_the_emptiest_column_is_named(proposed: Propose) -> None:
    draft = proposed(COLUMNS | {"rooms": [None, *[2, 3] * 29, 4], "age": [*range(30), *[None] * 30]})

    whys = {guess.key: guess.why for guess in draft.tables["ingest"]}
    assert whys["numbers"].endswith("; 31 empty cells, most in 'age' (30)")


def test_typed_columns(tmp_path: Path) -> None:
    cases = pd.DataFrame({"new": [True, False, None] * 20, "x": COLUMNS["price"], "grade": [0.0, 1.0] * 30})
    cases["rate"], cases["sold"] = [np.inf, *range(59)], pd.date_range("2024-01-01", periods=60, freq="7h")
    cases["customer_id"] = [*np.arange(59) % 20, np.nan]  # pandas keeps integers next to an empty cell as floats
    cases.to_parquet(tmp_path / "cases.parquet")
    data = data_at(str(tmp_path / "cases.parquet"), tmp_path)
    draft = propose(data, "grade")

    assert draft.values()["ingest"] == {
        "target": "grade",
        "task": "classification",
        "numbers": ["x"],
        "categories": ["new"],
        "dates": ["sold"],
    }
    assert draft.tables["ingest"][1].why == "30 '0', 30 '1'; or \"regression\""
    assert draft.notes == [
        "Not used: 'rate', which holds 'inf' among numbers: empty such cells to use it.",
        "Not used: 'customer_id', which identifies groups of rows, which may be in several sets: to test on new groups "
        'only, write preprocess.split = "random", preprocess.group = "customer_id" and ingest.metadata = '
        '["customer_id"], without time.',
    ]
    with pytest.raises(DataError, match="row 1, column 'rate': expected a number, found 'inf'"):
        propose(data, "rate")


def test_another_target_can_be_named(proposed: Propose) -> None:
    assert proposed(COLUMNS, target="rooms").values()["ingest"]["target"] == "rooms"
    assert proposed(COLUMNS, target="town").values()["ingest"]["task"] == "classification"
    with pytest.raises(DataError, match=r"column 'name' holds 60 different texts, too many for 60 rows\."):
        proposed(COLUMNS, target="name")
    with pytest.raises(
        DataError,
        match=r"column 'country' has only one value, 'de': there is nothing to predict\. Fix it, or choose another",
    ):
        proposed(COLUMNS, target="country")
    with pytest.raises(DataError, match=r"row 60, column 'stray': expected a number, found 'ca\. 3' \(2 such"):
        proposed(COLUMNS, target="stray")
    with pytest.raises(DataError, match=r"no column 'prices'\. Did you mean 'price'\? Columns: 'id', "):
        proposed(COLUMNS, target="prices")
    with pytest.raises(DataError, match="no column 'rent'"):
        proposed(COLUMNS, target="rent")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": [f"a{at}" for at in range(40)]}, "no numeric column to predict ('name' holds texts such as 'a0')"),
        ({"name": ["a", "b"] * 20}, "no column to predict 'name' from. There is no other column: add"),
        ({"y": [1.5, 2.5] * 20}, "no column to predict 'y' from. There is no other column: add"),
        (
            {"id": range(40), "y": [1.5, 2.5] * 20},
            "no column to predict 'y' from. Not used: 'id', which numbers the rows",
        ),
        ({"x": [1.5, 3.5, 2.5], "y": [1, 2.5, 2.5]}, "given.csv: only 3 rows. Expected at least 10."),
    ],
)
def test_what_cannot_be_predicted_is_refused_in_one_line(proposed: Propose, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as raised:
        proposed(columns)

    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_ids_are_no_targets_where_there_are_others(proposed: Propose) -> None:
    draft = proposed({"x": np.arange(80) % 7, "y": np.arange(80) % 9, "agent_id": np.arange(80) % 8})

    target, _, numbers, categories = draft.tables["ingest"]
    assert target.value == "y"
    assert target.why == "the last of 2 numeric columns not named like an ID; for another: --target 'x'"
    assert (numbers.value, categories.value) == (["x"], ["agent_id"])


def test_a_column_of_two_units_is_not_read_as_numbers(proposed: Propose) -> None:
    cells = [f"{at + 100} {'kg' if at % 2 else 'g'}" for at in range(40)]
    with pytest.raises(DataError, match="no numeric column to predict"):
        proposed({"weight": cells})


@pytest.mark.parametrize(
    ("leak", "relation"),
    [
        (lambda price: price * 1.08, "is a linear function of 'leak'"),
        (lambda price: -price.round(2), "is a linear function of 'leak'"),
        (lambda price: np.where(price > 0, "dear", "cheap"), "has its own range for each value of 'leak'"),
    ],
)
def test_an_input_that_determines_the_target_is_left_out(
    proposed: Propose, leak: Callable[[Any], Any], relation: str
) -> None:
    draft = proposed({"leak": leak(COLUMNS["price"])} | COLUMNS)

    assert "leak" not in str(draft.values()["ingest"])
    assert [note for note in draft.notes if "leak" in note] == [
        f"Not used: 'leak', because the target 'price' {relation}. Add a column to ingest only if you know it before "
        "the target."
    ]


def test_an_input_that_nearly_is_the_target_is_named(proposed: Propose) -> None:
    noise = np.random.default_rng(0).normal(size=60) / 1000
    notes = proposed({"leak": COLUMNS["price"] ** 3 + noise} | COLUMNS).notes

    said = "Possible leak: 'leak', which follows the target (rank correlation 0.999"
    assert [note.startswith(said) for note in notes if "leak" in note] == [True]


def test_another_way_of_writing_two_values_is_left_out(proposed: Propose) -> None:
    sold = [0, 1, 1, 0, 1] * 16
    columns = {"size": np.arange(80) % 7, "state": ["gone" if one else "here" for one in sold], "sold": sold}

    assert (
        proposed(columns)
        .notes[-1]
        .startswith("Not used: 'state', because the target 'sold' has one class for each value of 'state'.")
    )


def test_parts_of_the_calendar_and_functions_of_columns_are_no_targets(proposed: Propose) -> None:
    sizes = np.random.default_rng(5).gamma(9, 10, 80).round(1)
    columns = {
        "rooms": np.arange(80) % 7,
        "size": sizes,
        "log_size": np.log(sizes).round(4),
        "month": np.arange(80) % 12,
    }
    assert proposed(columns).values()["ingest"]["target"] == "size"
    named = {"rooms": columns["rooms"], "price_in_euros": sizes, "log_price": columns["log_size"]}
    assert proposed(named).values()["ingest"]["target"] == "price_in_euros"


def test_survival_data_is_named(proposed: Propose) -> None:
    random = np.random.default_rng(5)
    columns = {"age": random.integers(20, 80, 200), "days": random.integers(1, 900, 200), "status": [0, 1, 1, 1] * 50}
    (note,) = proposed(columns).notes
    assert note.startswith("Check: 'days' may end without an event in rows where 'status' says so (survival data).")
    assert proposed(columns, target="age").notes == []


def test_days_beside_the_status_of_an_order_are_no_survival_data(proposed: Propose) -> None:
    random = np.random.default_rng(5)
    columns = {"items": random.integers(1, 9, 200), "delivery_days": random.integers(1, 30, 200)}
    assert proposed(columns | {"status": ["delivered", "returned"] * 100}).notes == []


def test_rows_that_seem_to_be_in_order_of_time_are_a_note(proposed: Propose) -> None:
    random = np.random.default_rng(5)
    walk, x = 100 + random.normal(size=200).cumsum().round(2), random.integers(0, 9, 200)
    (note,) = proposed({"x": x, "load": walk}).notes
    assert note.startswith("Check the domain: 'load' of neighbouring rows is alike (correlation 0.9")
    assert proposed({"x": x, "load": np.sort(walk)}).notes == []
    assert proposed({"x": x, "load": random.permutation(walk)}).notes == []


def test_rows_that_a_category_sorts_are_not_in_order_of_time(proposed: Propose) -> None:
    random = np.random.default_rng(5)
    towns = {f"town {at}": 10 * at for at in range(8)}
    prices = np.repeat([*towns.values()], 25) + random.normal(size=200).round(3)
    columns = {"rooms": random.integers(1, 9, 200), "town": np.repeat([*towns], 25), "price": prices}
    assert proposed(columns).notes == []
    (note,) = proposed({name: cells for name, cells in columns.items() if name != "town"}).notes
    assert note.startswith("Check the domain: 'price' of neighbouring rows is alike")


def test_numbers_that_are_too_large_are_not_said_to_have_marks(proposed: Propose) -> None:
    with pytest.raises(DataError, match="'price' holds texts such as"):
        proposed({"price": [str(at) * 40 for at in range(10, 50)]})


def test_small_tables_get_larger_parts(proposed: Propose) -> None:
    small, large = (proposed({"x": np.arange(rows) % 7, "y": np.arange(rows) % 9}).values() for rows in (100, 1000))

    assert small["model"] == large["model"] == {"kind": "auto", "preset": "quick"}
    assert "train" not in small
    assert (small["preprocess"]["test"], large["preprocess"]["test"]) == (0.25, 0.2)


ROWS = 200
RANDOM = np.random.default_rng(8)
CASES: dict[str, Any] = {"x": RANDOM.normal(size=ROWS).round(4), "town": RANDOM.choice(["Ulm", "Kiel"], ROWS)}
DAYS = pd.date_range("2024-01-01", periods=ROWS, freq="h").strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("name", "cells", "task", "why"),
    [
        ("won", ["yes", "no"] * 100, "classification", "100 'yes', 100 'no'"),
        ("won", [True, False] * 100, "classification", "100 'True', 100 'False'"),
        ("won", [0, 1] * 100, "classification", "100 '0', 100 '1'; or \"regression\""),
        ("stars", [1, 2, 3, 4, 5] * 40, "classification", '…; or "regression"'),
        ("kind", [*range(8)] * 25, "classification", "'1', "),
        (
            "rooms",
            [*range(8)] * 25,
            "regression",
            '8 whole numbers from 0 to 7; if they are classes, "cla',
        ),
        ("cylinders", [4, 6, 8, 10] * 50, "regression", "4 whole numbers from 4 to 10; if they are classes"),
        ("dose", [0.5, 1.0] * 100, "regression", "2 different numbers"),
    ],
)
def test_a_target_is_a_class_or_a_number(proposed: Propose, name: str, cells: list[Any], task: str, why: str) -> None:
    guess = proposed(CASES | {name: cells}, target=name).tables["ingest"][1]

    assert (guess.key, guess.value) == ("task", task)
    assert why in guess.why


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (["unit_price", "quantity", "total_amount"], "total_amount"),
        (["price_per_item", "items", "order_value"], "order_value"),
        (["previous_sales", "staff", "visitors"], "visitors"),
        (["baseline_score", "dose", "score_12w"], "score_12w"),
        (["rating_count", "pages", "weight"], "weight"),
        (["rooms", "SalePrice", "area"], "SalePrice"),
        (["wage76", "exper", "tenure"], "wage76"),
        (["price_usd", "price_change", "volume"], "price_usd"),
        (["size", "height", "age"], "height"),  # age is a usual input
    ],
)
def test_an_outcome_is_the_last_word_of_a_name(proposed: Propose, names: list[str], target: str) -> None:
    random = np.random.default_rng(5)
    columns = {name: random.normal(size=200).round(3) for name in names}
    assert proposed(columns).values()["ingest"]["target"] == target


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (["satisfaction_score", "hours", "left"], "left"),
        (["default_history", "income", "repaid"], "repaid"),
        (["loan_status", "income", "cb_person_default_on_file", "years"], "loan_status"),
        (["marital_status", "income", "spending"], "spending"),
    ],
)
def test_flags_are_targets_by_their_place_and_their_name(proposed: Propose, names: list[str], target: str) -> None:
    random = np.random.default_rng(5)
    flags = {"left", "repaid", "default_history", "loan_status", "cb_person_default_on_file", "marital_status"}
    columns = {
        name: random.choice(["yes", "no"], 200) if name in flags else random.normal(size=200).round(3) for name in names
    }
    assert proposed(columns).values()["ingest"]["target"] == target


def test_codes_with_gaps_are_classes_if_their_name_says_so(proposed: Propose) -> None:
    random = np.random.default_rng(5)
    columns = {"refraction": random.normal(size=210).round(3), "kind": [1, 2, 3, 5, 6, 7] * 35}
    assert proposed(columns).values()["ingest"]["task"] == "classification"
    others = {"refraction": columns["refraction"], "rooms": columns["kind"]}
    assert proposed(others).values()["ingest"]["task"] == "regression"


@pytest.mark.parametrize("name", ["customerid", "OBJECTID", "houseid", "ticket", "phone"])
def test_identifiers_are_no_inputs(proposed: Propose, name: str) -> None:
    random = np.random.default_rng(5)
    numbers = random.permutation(np.arange(10_000, 99_000))[:60]
    draft = proposed({name: numbers} | {key: COLUMNS[key] for key in ("rooms", "age", "price")})

    assert draft.values()["ingest"]["numbers"] == ["rooms", "age"]
    assert [note.partition(",")[0] for note in draft.notes] == [f"Not used: {name!r}"]


@pytest.mark.parametrize("name", ["amount_paid", "hybrid", "humid", "visits"])
def test_numbers_whose_names_end_like_id_are_inputs(proposed: Propose, name: str) -> None:
    numbers = np.random.default_rng(5).permutation(np.arange(10_000, 99_000))[:60]
    draft = proposed({name: numbers} | {key: COLUMNS[key] for key in ("rooms", "age", "price")})

    assert draft.values()["ingest"]["numbers"] == [name, "rooms", "age"]


def test_possible_leaks_of_one_kind_are_one_note(proposed: Propose) -> None:
    sick = ["yes", "no"] * 100
    dates = {name: ["2024-01-01", None] * 100 for name in ("cured", "left")}
    (note,) = proposed(CASES | dates | {"sick": sick}, target="sick").notes

    assert note == (
        "Possible leak: 'cured', 'left', each of which determines the target in 100.0% or more of the rows by being "
        "empty or not. Leave out what you do not know before the target 'sick'."
    )


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"survived": [0, 1] * 100, "class": ["1st", "2nd"] * 100}, "survived"),  # the more telling name
        ({"customerChurn": ["yes", "no"] * 100, "age": range(ROWS)}, "customerChurn"),
        ({"target": RANDOM.normal(size=ROWS), "age": RANDOM.normal(size=ROWS)}, "target"),
        ({"town": ["Ulm", "Kiel"] * 100, "x": ["a", "b", "c", "d"] * 50}, "x"),  # no numbers
    ],
)
def test_a_column_of_classes_is_found_by_its_name(proposed: Propose, columns: dict[str, Any], target: str) -> None:
    assert proposed(CASES | columns if "x" not in columns else columns).values()["ingest"]["target"] == target


def test_dates_and_texts_have_roles_of_their_own(proposed: Propose) -> None:
    draft = proposed(
        CASES
        | {
            "hired": [*pd.date_range("2020-01-01", periods=ROWS - 1).strftime("%Y-%m-%d"), None],
            "note": [f"{'early' if at % 2 else 'late'} order {at}" for at in range(ROWS)],
            "day": [*DAYS[:150], *["31.12.2024"] * 50],
            "paid": [*DAYS[:10], *["31.12.2024"] * 190],
            "sent": [f"{1 + at % 28:02}.{1 + at % 11:02}.2024" for at in range(ROWS)],
            "nation": [f"n{at % 40}" for at in range(ROWS)],
            "checked": ["x", *[None] * 3] * 50,
            "visits": [np.inf, *range(1, ROWS)],
            "balance": [f"({at},234.50)" if at % 3 else f"{at}.25" for at in range(ROWS)],
            "reading": [f"{at}.25" if at % 3 else f"x{at}" for at in range(ROWS)],
            "shop_id": [f"s{at % 60}" for at in range(ROWS)],
            "shelf": [f"s{at % 60}" for at in range(ROWS)],
            "price": RANDOM.normal(size=ROWS),
        },
        target="price",
    )

    roles = draft.values()["ingest"]
    assert (roles["dates"], roles["texts"]) == (["hired"], ["note"])
    assert roles["categories"] == ["town", "nation", "checked"]
    assert [note.removeprefix("Not used: ") for note in draft.notes] == [
        "'day', which holds '31.12.2024' (row 152) among ISO dates: write all dates like 2024-01-01T00:00 to use it.",
        "'paid', which holds '31.12.2024' (row 12) among ISO dates: write all dates like 2024-01-01T00:00 to use it.",
        "'sent', which holds dates such as '01.01.2024': write them like 2024-01-31 in source.prepare.",
        "'visits', which holds 'inf' among numbers: empty such cells to use it.",
        "'balance', which holds '(1,234.50)' and '0.25': use only digits, a minus sign and the decimal mark, or "
        "convert it in source.prepare, to use it.",
        "'reading', which holds 'x0' among numbers: correct such cells to use it.",
        "'shop_id', which is named like an ID.",
        "'shelf', which holds 60 different texts, too many for a category.",
    ]


def test_names_of_predictions_are_no_inputs(proposed: Propose) -> None:
    names = dict.fromkeys(("set", "p_Ulm", "p_Rome"), COLUMNS["rooms"])
    draft = proposed({"rooms": COLUMNS["rooms"], "town": ["Ulm", "Bonn", "Bonn"] * 20} | names, target="town")

    assert draft.values()["ingest"]["numbers"] == ["rooms", "p_Rome"]
    assert draft.notes[0].startswith("Not used: 'set', 'p_Ulm', each of which has the name of an output of predict: ")


def split(draft: Proposal) -> dict[str, Any]:
    return {key: value for key, value in draft.values()["preprocess"].items() if key not in ("validation", "test")}


def test_rows_with_times_are_split_by_time(proposed: Propose) -> None:
    sales = CASES | {"ordered_at": DAYS, "customer_id": np.arange(ROWS) % 30, "price": RANDOM.normal(size=ROWS)}
    draft = proposed(sales, target="price")

    assert split(draft) == {"split": "last", "time": "ordered_at"}
    assert draft.tables["preprocess"][0].why.startswith("the newest rows are the test set")
    assert draft.tables["preprocess"][1].why == "chosen by its name: 2024-01-01 to 2024-01-09"
    assert (
        "Not used: 'customer_id', which identifies groups of rows, which may be in several sets: to test on new groups "
        'only, write preprocess.split = "random", preprocess.group = "customer_id" and ingest.metadata = '
        '["customer_id"], without time.'
    ) in draft.notes
    assert split(proposed(sales | {"late": [0] * 190 + [1] * 10}, target="late")) == {"group": "customer_id"}


def test_dates_that_may_not_order_the_rows_are_inputs_only(proposed: Propose) -> None:
    born = {"birth_date": DAYS, "price": RANDOM.normal(size=ROWS)}
    assert split(proposed(CASES | born, target="price")) == {}
    several = {"sold": RANDOM.permutation(DAYS), "booked": RANDOM.permutation(DAYS), "price": born["price"]}
    assert split(proposed(CASES | several, target="price")) == {}


def test_the_rows_of_a_person_stay_together(proposed: Propose) -> None:
    patients = {"patientID": [f"p{at % 40}" for at in range(ROWS)], "sick": ["no", "yes"] * 100}
    draft = proposed(CASES | patients, target="sick")

    assert split(draft) == {"group": "patientID"}
    assert draft.values()["ingest"]["metadata"] == ["patientID"]
    assert draft.tables["preprocess"][0].why == "40 different values in 200 rows: the rows of each stay in one set"
    named = {"user_rating": np.arange(ROWS) % 40, "group": ["a", "b"] * 100, "sick": patients["sick"]}
    assert split(proposed(CASES | named, target="sick")) == {}


def test_parts_of_the_file_are_kept(proposed: Propose) -> None:
    parts = {"fold": ["train", "Train", "test", "train"] * 50, "price": RANDOM.normal(size=ROWS)}
    draft = proposed(CASES | parts | {"sold": DAYS, "customer": np.arange(ROWS) % 40}, target="price").values()

    assert draft["ingest"]["part"] == "fold"
    assert "metadata" not in draft["ingest"]
    assert draft["preprocess"] == {"validation": 0.2}


def test_rows_without_a_class_marks_of_them_and_other_spellings_are_told(proposed: Propose) -> None:
    draft = proposed(CASES | {"sick": [*["yes", "no", None, "NA"] * 49, *["Yes"] * 4]}, target="sick")

    assert draft.tables["ingest"][0].why == "as requested"
    assert draft.notes == [
        "Classes of 'sick' that differ only in case or spaces: 'yes'/'Yes'. Correct them, for example in "
        "source.prepare; otherwise they are different classes.",
        "Rows without 'sick' are left out: 49 of 200.",
        "Check 'NA' in 'sick': kept as a value, but it may mark a missing one. If it does, add the mark to the "
        "source's missing, and the column to its missing_in.",
    ]


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        (
            ["a"] * ROWS,
            "the column 'sick' has only one value, 'a': there is nothing to predict. Fix it, or",
        ),
        (
            [None] * ROWS,
            "the column 'sick' is empty: there is nothing to predict. Fix it, or",
        ),
    ],
)
def test_a_target_that_cannot_be_classified_is_refused(proposed: Propose, cells: list[Any], error: str) -> None:
    with pytest.raises(DataError, match=error):
        proposed(CASES | {"sick": cells}, target="sick")


def test_all_rare_classes_are_named_and_do_not_change_the_split(
    proposed: Propose, caplog: pytest.LogCaptureFixture
) -> None:
    draft = proposed(CASES | {"sold": DAYS, "sick": [*["a", "b"] * 98, "c", "d", "d", "e"]}, target="sick")

    assert draft.notes[0] == (
        "2 classes of the target 'sick' have fewer than 2 rows: 1 'c', 1 'e'. They are only trained on and cannot be "
        'tested, unless the source names their set. Add rows, merge classes, or set ingest.rare_classes = "drop".'
    )
    assert caplog.messages == []


def test_an_input_that_tells_the_class_is_named_once(proposed: Propose, caplog: pytest.LogCaptureFixture) -> None:
    sick = ["yes", "no"] * 100
    leaks = {"copy": sick, "code": [7, 3] * 100, "cured": ["2024-01-01", None] * 100, "sick": sick}
    notes = proposed(CASES | leaks, target="sick").notes

    assert [note.partition(". ")[0] for note in notes] == [
        "Not used: 'copy', because the target 'sick' equals 'copy'",
        "Not used: 'code', because the target 'sick' has one class for each value of 'code'",
        "Possible leak: 'cured', which determines the target in 100.0% of the rows by being empty or not",
    ]
    assert caplog.messages == []


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "target", "task", "roles"),
    [
        ("titanic", "survived", "classification", {"numbers": 4, "categories": 3}),
        ("german", "risk", "classification", {"numbers": 4, "categories": 5}),
        ("hr", "status", "classification", {"numbers": 4, "categories": 1}),
        ("penguins", "species", "classification", {"numbers": 5, "categories": 2}),
        pytest.param("Caravan", "Purchase", "classification", {"numbers": 85}, marks=pytest.mark.slow),
        ("apartments", "m2_price", "regression", {"numbers": 4, "categories": 1}),
        pytest.param("fifa", "value_eur", "regression", {"numbers": 40, "categories": 1}, marks=pytest.mark.slow),
        ("Boston", "medv", "regression", {"numbers": 12}),
        ("Auto", "mpg", "regression", {"numbers": 7, "texts": 1}),
    ],
)
def test_real_tables(tmp_path: Path, name: str, target: str, task: str, roles: dict[str, int]) -> None:
    draft = propose(data_at(str(SHARED / f"tables/{name}.csv"), tmp_path), target).values()

    columns = draft["ingest"]
    assert columns.pop("target") == target
    assert columns.pop("task") == task
    assert {role: len(names) for role, names in columns.items()} == roles
    assert draft["preprocess"] == {"validation": 0.1, "test": 0.2}
