"""Trees see numbers as they are and names by their rank, for as many rounds as cross-validation chooses."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.folds import Positions
from gristmill.domains.tabular import tree_fit
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.models.boosted_trees import BoostedTrees
from gristmill.domains.tabular.tree_fit import choose, feature_network, name_means
from gristmill.training.saved_network import as_tensors, predict_in_batches
from helpers.small_tables import of_table, prepared

predict = partial(predict_target, once=True)  # without compiling, which takes longer than a few predictions
SMALL = BoostedTrees(kind="boosted_trees", out_of_fold=True, rounds=20, logarithm=False, sums=1)


def test_names_have_their_smoothed_mean_target() -> None:
    """The name "c" has the highest mean of its rows, but a single row: it is drawn towards the mean of all."""
    found = np.array(["a"] * 50 + ["b"] * 50 + ["c"], object)
    target = np.array([1.0] * 50 + [9.0] * 50 + [12.0])
    mean = target.mean()
    expected = [0, 50 * (1 - mean) / 60, 50 * (9 - mean) / 60, (12 - mean) / 11]
    assert name_means(found, target, ["a", "b", "c"]).tolist() == pytest.approx(expected)


def test_unknown_names_and_names_without_a_row_have_the_mean_of_all() -> None:
    means = name_means(np.array(["a", "a", "new"], object), np.array([1.0, 1, 7]), ["a", "never"])
    assert means.tolist() == pytest.approx([0, 2 * (1 - 3) / 12, 0])


def test_features_are_numbers_as_they_are_and_means() -> None:
    data = prepared()
    features = predict_in_batches(feature_network(data), as_tensors(data.inputs))
    assert features.shape == (90, 4)
    assert features[:, :2].tolist() == data.table[["size", "age"]].to_numpy(np.float32).tolist()
    ulm, others = features[data.table["town"] == "Ulm", 2], features[data.table["town"] != "Ulm", 2]
    assert len(set(ulm)) == 1
    assert len(set(others)) == 2
    assert ulm.min() > others.max()  # where prices are highest


def test_a_name_of_noise_does_not_mislead() -> None:
    """Each of 300 names has two rows: its mean would tell their target."""
    random = np.random.default_rng(0)
    x, noise = random.normal(size=900), np.array([f"n{number % 300}" for number in range(900)], object)
    table = pd.DataFrame({"x": x, "noise": noise, "y": x + random.normal(0, 1, 900)})
    parts = ["train"] * 600 + ["test"] * 300
    errors = []
    for categories in ([], ["noise"]):
        data = of_table(table, parts, ["x"], categories, "y")
        model = SMALL.model_copy(update={"rounds": None, "learning_rate": 0.3})
        made = predict(model.fit(data), data.inputs)
        errors.append(np.abs(made - data.truth)[data.at("test")].mean())
    assert errors[1] < 1.1 * errors[0]


@pytest.mark.slow
def test_trees_find_the_price() -> None:
    data = prepared(400)
    model = SMALL.model_copy(update={"rounds": None}).tuned(data)
    assert model.rounds > 20
    errors = np.abs(predict(model.fit(data), data.inputs) - data.truth)[data.parts == "test"]
    assert errors.mean() < 0.3 * data.truth.std()


def test_more_rounds_than_help_are_not_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_fit, "_PATIENCE", 10)
    data = prepared(200)
    data.table["price"] = np.random.default_rng(0).normal(size=200)  # nothing can be learned
    assert choose(data, SMALL.model_copy(update={"rounds": None, "learning_rate": 0.3}).options)["rounds"] < 10


def test_the_logarithm_is_tried_for_a_positive_target_only() -> None:
    data = prepared(300)
    size = data.table["size"].to_numpy()
    free = SMALL.model_copy(update={"logarithm": None})
    noise = np.random.default_rng(0).normal(size=300)
    data.table["price"] = np.exp(size / 50 + noise)
    assert choose(data, free.options)["logarithm"]
    data.table["price"] -= data.table["price"].max()
    assert not choose(data, free.options)["logarithm"]


def left_out(data: Prepared) -> list[Positions]:
    """Return the rows that a choice leaves out, fold by fold."""
    return [split.predict for split in data.learning_set.folds(5)]


def test_rows_left_out_are_whole_groups_or_the_last_rows() -> None:
    data = prepared(200).only(np.arange(170))
    grouped = replace(data, groups=np.arange(170) // 10)
    folds = left_out(grouped)
    assert sorted(np.concatenate(folds)) == data.at("train").tolist()
    for rows in folds:
        assert not set(grouped.groups[rows]) & set(grouped.groups[np.setdiff1d(data.at("train"), rows)])
    (last,) = left_out(replace(data, layout=replace(data.layout, ordered=True)))
    assert last.tolist() == list(range(136, 170))


def test_rows_left_out_are_not_all_of_a_class() -> None:
    data = prepared(150, classes=2).only(np.arange(120))
    data.table["price"] = np.where(np.isin(np.arange(120), [7, 8]), "1", "0").astype(object)
    assert max(data.labels[rows].sum() for rows in left_out(data)) == 1


def test_errors_of_choices_have_the_weights_of_balanced_classes() -> None:
    data = prepared(150, classes=2).only(np.arange(120))
    data.table["price"] = np.where(np.arange(120) % 12, "0", "1").astype(object)
    rows, same = np.arange(60), SimpleNamespace(predict=lambda features: np.full((len(features), 1), -np.log(3)))
    errors = [
        tree_fit._mean_error(one, tree_fit._goals(one, SMALL.options)[0], [same], [rows], [np.zeros((120, 1))])
        for one in (data, replace(data, balanced=True))
    ]
    assert errors == pytest.approx([-(11 * np.log(0.75) + np.log(0.25)) / 12, -(np.log(0.75) + np.log(0.25)) / 2])


@pytest.mark.slow
def test_choices_are_made_on_training_rows_alone() -> None:
    data = prepared()
    changed = prepared()
    changed.table.loc[changed.parts != "train", "price"] = 1e6
    free = BoostedTrees(kind="boosted_trees", learning_rate=0.3)
    chosen = free.tuned(data)
    assert chosen == free.tuned(changed)
    assert chosen.tuned(data) == chosen


@pytest.mark.parametrize("telling", [False, True])
def test_rare_names_are_encoded_out_of_fold_where_that_has_the_lower_error(telling: bool) -> None:
    random = np.random.default_rng(1)
    names, size = random.integers(0, 150, 600), random.normal(size=600)
    price = size + telling * 3 * random.normal(size=150)[names] + 0.5 * random.normal(size=600)
    table = pd.DataFrame({"size": size, "name": [f"name {number}" for number in names], "price": price})
    data = of_table(table, ["train"] * 600, ["size"], ["name"], "price")

    chosen = choose(data, BoostedTrees(kind="boosted_trees").options)

    assert chosen["out_of_fold"] is not telling


def test_sums_with_other_seeds_are_averaged() -> None:
    data = prepared()
    alone = [predict(SMALL.model_copy(update={"seed": seed}).fit(data), data.inputs) for seed in (3, 4)]
    both = predict(SMALL.model_copy(update={"seed": 3, "sums": 2}).fit(data), data.inputs)
    assert both == pytest.approx((alone[0] + alone[1]) / 2, rel=1e-4)
    assert not np.allclose(alone[0], alone[1])


def test_an_empty_number_is_the_median_unless_rows_to_fit_on_have_empty_ones() -> None:
    years = np.repeat(np.arange(2010.0, 2020), 12)
    table = pd.DataFrame({"year": years, "price": 10 * (years - 2010) + 1})
    asked = np.array([[np.nan], [2015.0]], np.float32)

    def predicted() -> list[float]:
        data = of_table(table, ["train"] * 120, ["year"], [], "price")
        data = replace(data, layout=replace(data.layout, median={"year": 2015.0}))
        return predict(SMALL.fit(data), asked).tolist()

    as_empty, as_median = predicted()
    assert as_empty == as_median
    table.loc[:9, "year"], table.loc[:9, "price"] = np.nan, 500.0  # far from all others
    as_empty, as_median = predicted()
    assert as_empty > 2 * as_median


def test_many_rows_are_held_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[int] = []
    real = tree_fit.fit_trees
    monkeypatch.setattr(tree_fit, "_MIN_ROWS_WITHOUT_FOLDS", 50)
    monkeypatch.setattr(tree_fit, "fit_trees", lambda given: fits.append(len(given)) or real(given))
    table = pd.DataFrame({"x": np.arange(100.0), "y": np.arange(100.0)})
    choose(
        of_table(table, ["train"] * 100, ["x"], [], "y"), BoostedTrees(kind="boosted_trees", logarithm=False).options
    )
    assert fits == [1]


def test_names_stand_for_the_most_frequent_of_many_classes() -> None:
    labels = [f"{label:02}" for label in range(14) for _ in range(1 if label < 4 else 3)] + ["00"] * 9
    table = pd.DataFrame({"town": ["Ulm", "Bonn"] * 21 + ["Ulm"], "y": pd.Series(labels, dtype=object)})
    data = of_table(table, ["train"] * 34 + ["test"] * 9, [], ["town"], "y")
    ranked = [table["y"][target == 1].unique().tolist() for target in tree_fit._targets_of_names(data)]
    assert ranked == [[f"{label:02}"] for label in range(4, 14)]
