"""Equal rows stay in one set and in one fold, unless they are equal by chance."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from gristmill.domains.tabular import dataset, report
from gristmill.domains.tabular.copies import Copies, find_copies
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.preprocess import preprocess
from gristmill.domains.tabular.settings import Preprocess
from gristmill.util.table_io import write_document, write_table


def table(count: int = 60) -> pd.DataFrame:
    """Return different rows of a number, a category and a target that is a class."""
    random = np.random.default_rng(0)
    x, town = random.normal(0, 1e6, count), random.choice(["Ulm", "Bonn"], count).astype(object)
    return pd.DataFrame({"x": x, "town": town, "y": np.where(x > 0, "high", "low").astype(object)})


def summary(rows: pd.DataFrame, part: str | None = None) -> dict[str, Any]:
    categories = [name for name in rows if name not in ("x", "y", part, "customer")]
    classes = [] if rows["y"].dtype == np.float64 else sorted(rows["y"].unique())
    roles = {"numbers": ["x"] if "x" in rows else [], "categories": categories, "dates": [], "texts": []}
    return {"target": "y", "classes": classes, "part": part, **roles}


def copies_in(rows: pd.DataFrame) -> Copies:
    labels = pd.factorize(rows["y"])[0] if rows["y"].dtype == object else np.zeros(len(rows), np.int64)
    return find_copies(rows, summary(rows), labels)


def prepared(folder: Path, rows: pd.DataFrame, part: str | None = None, **settings: Any) -> tuple[Prepared, Any]:
    """Return what preprocess makes of rows, and its counts."""
    write_table(folder / "table.parquet", rows)
    write_table(folder / "rows.parquet", pd.DataFrame({"row": [str(row + 2) for row in range(len(rows))]}))
    write_document(folder / "summary.json", summary(rows, part))
    counts = preprocess(preprocess=Preprocess(**settings), ingest=folder, out=folder)
    return dataset.read(folder), counts


def divided(rows: pd.DataFrame, owners: npt.NDArray[Any]) -> int:
    """Return the number of rows with copies in another set or fold."""
    return int((pd.Series(owners).groupby([rows[name] for name in rows]).transform("nunique") > 1).sum())


@pytest.mark.parametrize("group", [None, "customer"])
def test_a_file_pasted_three_times_is_split_like_one(tmp_path: Path, group: str | None) -> None:
    rows = pd.concat([table()] * 3, ignore_index=True)
    rows["x"] *= 1 + np.repeat([0, 1e-9, -1e-9], 60)  # equal to six digits
    rows["order"] = [f"order {number}" for number in range(180)]
    rows["customer"] = [f"c{number % 60 // 2}" for number in range(180)]
    data, counts = prepared(tmp_path, rows, group=group)

    used = pd.concat([table()[["x", "town", "y"]]] * 3, ignore_index=True)
    assert divided(used, data.parts) == 0
    if group:
        assert divided(rows[["customer"]], data.parts) == 0
    assert np.bincount(pd.factorize(data.parts)[0]).min() >= 12
    assert counts["duplicates kept in one set"] == 120
    assert "test_rows_also_in_train" not in counts
    learned = data.learning_set
    assert learned.independent == len(learned.all) // (6 if group else 3)
    for split in learned.folds(5):
        assert not set(used["x"].iloc[split.fit]) & set(used["x"].iloc[split.predict])
    assert "Copies kept in one set with their originals: 120, such as " in report.copies_note(tmp_path)


def test_rows_with_equal_inputs_stay_together_if_few_of_them_have_other_targets() -> None:
    rows = pd.concat([table(), table()[:20]], ignore_index=True)
    rows.loc[60, "y"] = {"high": "low", "low": "high"}[rows.loc[0, "y"]]
    groups = copies_in(rows).groups
    assert groups is not None
    assert (groups[:20] == groups[60:]).all()
    assert len(set(groups)) == 60


def test_equal_rows_of_one_column_with_few_values_are_equal_by_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"x": random.integers(0, 20, 400).astype(float), "y": random.integers(0, 9, 400).astype(float)})
    data, counts = prepared(tmp_path, rows)
    assert data.groups is None
    assert counts["rows equal by chance"] > 300
    assert "rows equal another row by chance: about as many" in report.copies_note(tmp_path)


def sales(count: int) -> pd.DataFrame:
    """Return sales of 40 products in two stores with an exact price; columns of the product and of the store follow."""
    random = np.random.default_rng(0)
    product, store = random.integers(0, 40, count), random.integers(0, 2, count)
    rows = pd.DataFrame({"product": product, "store": store, "brand": product % 7, "city": store + 5}).astype(str)
    return rows.assign(y=random.uniform(1, 99, 40)[product] + 3.21 * store)


def categories(count: int, values: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(random.integers(0, values, (count, 4)), columns=list("abcd")).astype(str).astype(object)


def ruled(count: int) -> pd.DataFrame:
    rows = categories(count, 3)
    return rows.assign(y=np.where((rows["a"] == rows["b"]) | (rows["c"] == "2"), "yes", "no").astype(object))


def rarely_positive(count: int) -> pd.DataFrame:
    return categories(count, 8).assign(y=np.where(np.arange(count) % 50, "no", "yes").astype(object))


@pytest.mark.parametrize("mislabelled", [0, 0.05, 0.2])
@pytest.mark.parametrize(
    "rows",
    [sales(1_200), sales(200), sales(1_200).drop(columns=["store", "city"]), ruled(1_000), rarely_positive(3_000)],
)
def test_lookup_tables_and_a_few_categories_have_no_copies(rows: pd.DataFrame, mislabelled: float) -> None:
    changed = np.random.default_rng(1).random(len(rows)) < mislabelled
    rows = rows.assign(y=np.where(changed, rows["y"].iloc[::-1].to_numpy(), rows["y"]))
    copies = copies_in(rows)
    assert copies.by_chance
    assert copies.groups is None


@pytest.mark.parametrize("times", [3, 6])
@pytest.mark.parametrize("mislabelled", [0, 3, 12])
@pytest.mark.parametrize("rows", [table(), ruled(1_000).assign(x=np.arange(1_000) // 3), rarely_positive(300)])
def test_pasted_rows_are_copies_if_chance_explains_few_of_them(
    rows: pd.DataFrame, mislabelled: int, times: int
) -> None:
    pasted = pd.concat([rows] * times, ignore_index=True)
    pasted.loc[:mislabelled, "y"] = pasted.loc[:mislabelled, "y"].iloc[::-1].to_numpy()
    copies = copies_in(pasted)
    assert copies.groups is not None
    assert divided(pasted[[name for name in rows if name != "y"]], copies.groups) == 0


def test_different_rows_are_split_as_if_nothing_were_compared(tmp_path: Path) -> None:
    rows = table()
    rows.loc[1, ["x", "town"]] = rows.loc[0, ["x", "town"]]  # but not the target
    rows.loc[[0, 1], "y"] = ["high", "low"]
    data, counts = prepared(tmp_path, rows)
    assert data.groups is None
    assert sorted(counts) == ["features", "test_rows", "train_rows", "validation_rows"]
    assert not report.copies_note(tmp_path)


def test_classes_with_few_different_rows_are_divided() -> None:
    lookup = pd.DataFrame({"x": np.repeat([1.0, 2, 3, 4], 50), "y": np.repeat(["a", "b"], 100).astype(object)})
    assert copies_in(lookup).groups is None


@pytest.mark.parametrize("settings", [{"part": "set"}, {"split": "last"}])
def test_copies_in_sets_that_the_user_chose_are_counted(tmp_path: Path, settings: dict[str, Any]) -> None:
    rows = pd.concat([table(), table()[:10]], ignore_index=True).assign(set=["train"] * 60 + ["test"] * 10)
    data, counts = prepared(
        tmp_path, rows.drop(columns=[] if "part" in settings else "set"), validation=0, test=10, **settings
    )
    assert data.at("test").tolist() == [*range(60, 70)]
    assert data.groups is None  # folds divide them, as these sets do
    assert counts["test_rows_also_in_train"] == 10
    assert "10 of the test set are also in the training set, such as 62 (2 there)" in report.copies_note(tmp_path)
