"""Planes, pieces and products are fitted in closed form; the graph computes what was fitted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.folds import LearningSet
from gristmill.domains.tabular.encoder import encode, predict_target, quantile_knots, standardised
from gristmill.domains.tabular.linear_fit import (
    choose_pieces,
    fit_plane,
    fit_ridge,
    linear,
    piecewise_linear,
    quadratic,
)
from gristmill.domains.tabular.target_scale import TargetScale, possible_scales
from gristmill.errors import Unsuitable
from helpers.small_tables import of_table, prepared


def line(x: list[float], y: list[float], trained: int) -> object:
    table = pd.DataFrame({"x": x, "y": y})
    return of_table(table, ["train"] * trained + ["test"] * (len(x) - trained), ["x"], [], "y")


def test_a_line_is_found_and_continued() -> None:
    data = line([-1, 0, 1, 2, 10, -10], [-3, -1, 1, 3, 99, 99], trained=4)
    assert predict_target(linear(data), data.inputs) == pytest.approx([-3, -1, 1, 3, 19, -21], abs=1e-4)


def test_a_plane_through_few_columns_is_the_solution_of_the_normal_equations() -> None:
    data = prepared()
    trained = data.parts == "train"
    rows = np.column_stack([encode(data.inputs, data.layout).astype(float), np.ones(len(data.table))])
    truth = rows @ np.arange(-4.0, rows.shape[1] - 4) + np.random.default_rng(0).normal(0, 0.1, len(rows))
    data.table["price"] = truth
    solution = np.linalg.lstsq(rows[trained], truth[trained])[0]

    assert truth.min() < 0  # so there is no logarithm
    assert predict_target(linear(data), data.inputs) == pytest.approx(rows @ solution, abs=0.02)


def test_a_new_name_gets_the_level_between_the_others() -> None:
    table = pd.DataFrame({"town": ["a", "a", "b", "b", "a", "new"], "y": [10.0, 10, 30, 30, 99, 99]})
    data = of_table(table, ["train"] * 4 + ["test"] * 2, [], ["town"], "y")
    made = predict_target(linear(data), data.inputs)
    assert made[:5] == pytest.approx([10, 10, 30, 30, 10], rel=1e-3)
    assert 10 < made[5] < 30


def test_errors_that_leave_out_a_row_are_those_of_refits_without_it() -> None:
    random = np.random.default_rng(0)
    columns, truth = random.normal(size=(20, 4)), random.normal(size=20)
    scale = TargetScale(False, float(truth.mean()), float(truth.std()), (-np.inf, np.inf))
    found = fit_ridge(columns, truth, [scale])

    lowest = np.inf
    for penalty in (0.0, *(10.0**power for power in range(-6, 5))):
        errors = []
        for row in range(20):
            kept = np.arange(20) != row
            # The centre and the mean are parts of the fit, as the column of ones of a regression is.
            design = np.column_stack([columns[kept], np.ones(19)])
            shrink = penalty * np.diag([1.0] * 4 + [0.0])
            solution = np.linalg.solve(design.T @ design + shrink, design.T @ truth[kept])
            errors.append(abs(truth[row] - np.append(columns[row], 1) @ solution))
        lowest = min(lowest, float(np.mean(errors)))
    assert found.error == pytest.approx(lowest, rel=2e-3)


def test_a_penalty_that_lets_each_row_be_fitted_is_not_taken() -> None:
    """With more columns than rows, the error of a plane without penalty would be 0 over 0."""
    random = np.random.default_rng(0)
    columns, truth = random.normal(size=(12, 30)), random.normal(size=12)
    found = fit_ridge(columns, truth, [TargetScale.fit(truth, clip=False)])
    assert found.error > 0.3 * np.abs(truth).mean()
    assert np.abs(columns @ found.coefficients[:, 0] + found.intercept - found.scale.scaled(truth)).max() > 1e-9


def test_a_group_is_left_out_as_a_whole() -> None:
    """Each group has a column and a level of its own, which a row of the group would give away."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    columns = np.eye(20)[groups] + random.normal(0, 0.01, (200, 20))
    truth = random.normal(size=20)[groups] + 5
    scale = TargetScale.fit(truth, clip=False)
    splits = LearningSet(np.arange(200), np.arange(0), None, groups).folds(5)
    alone, grouped = fit_ridge(columns, truth, [scale]), fit_ridge(columns, truth, [scale], splits)
    assert alone.error < 0.1 * truth.std()
    assert grouped.error > 0.5 * truth.std()
    assert np.abs(grouped.coefficients).sum() < 0.5 * np.abs(alone.coefficients).sum()


def test_the_penalty_of_ordered_rows_is_the_best_one_for_the_last_fifth() -> None:
    """A rise that has ended: its slope misleads on the last rows, whatever the rows among the others say."""
    table = pd.DataFrame({"x": np.arange(50.0), "y": np.minimum(np.arange(50.0), 40) - 100})
    data = of_table(table, ["train"] * 50, ["x"], [], "y")
    columns, rows = encode(data.inputs, data.layout).astype(float), np.arange(50)
    later = replace(data, layout=replace(data.layout, ordered=True))

    weak, strong = (fit_plane(columns, one, rows, clip=False) for one in (data, later))

    assert 0 < strong.coefficients[0, 0] < 0.99 * weak.coefficients[0, 0]
    fits = [fit_ridge(columns[:40], data.truth[:40], [strong.scale])]
    left_out = strong.scale.restored(columns[40:] @ fits[0].coefficients[:, 0] + fits[0].intercept)
    assert strong.error < np.abs(left_out - data.truth[40:]).mean()


def test_the_logarithm_is_taken_where_it_fits_better() -> None:
    x = np.linspace(0, 4, 40)
    columns, truth = x[:, np.newaxis], np.exp(1 + x)
    assert fit_ridge(columns, truth, possible_scales(truth)).scale.logarithm
    assert not fit_ridge(columns, 1 + x, possible_scales(1 + x)).scale.logarithm


def test_columns_without_variation_give_the_mean() -> None:
    truth = np.array([1.0, 2, 6])
    found = fit_ridge(np.ones((3, 2)), truth, possible_scales(truth))
    assert found.coefficients.tolist() == [[0], [0]]


def test_pieces_follow_a_bent_line_and_continue_its_ends() -> None:
    x = list(np.linspace(0, 10, 41))
    data = line([*x, 12, -2], [*(abs(value - 5) for value in x), 0, 0], trained=41)
    made = predict_target(piecewise_linear(data, 4), data.inputs)
    assert made[:41] == pytest.approx(data.truth[:41], abs=0.02)
    assert made[41:] == pytest.approx([5.5, 5.5], abs=0.02)  # held by the range of the targets


def test_the_number_of_pieces_is_that_of_the_lowest_error_unless_there_are_too_few_rows() -> None:
    x = np.linspace(0, 16, 65)
    data = line(list(x), list(np.abs(x - 2)), trained=65)  # the bend is between the first and the second of 8 pieces
    assert choose_pieces(data, (4, 8)) == 8
    assert choose_pieces(data, (4, 40)) == 4


def test_pieces_are_0_below_1_above_and_linear_within() -> None:
    data = prepared(categories=[])
    layout = standardised(data)
    knots = quantile_knots(data, layout, 3)
    encoded = encode(data.inputs, layout, knots)

    assert encoded.shape == (90, 2 * 3)
    standard = encode(data.inputs, layout)
    for row in range(90):
        for number in range(2):
            for piece in range(3):
                low, high = knots[number, piece : piece + 2]
                share = (float(standard[row, number]) - low) / (high - low)
                share = min(share, 1) if piece < 2 else share
                share = max(share, 0) if piece > 0 else share
                assert encoded[row, 3 * number + piece] == pytest.approx(share, abs=1e-5)


@pytest.mark.parametrize("values", [[0, 1, 0, 1, 1], [0, 1, 2, 1, 2], [3, 3, 3, 3, 3]])
def test_a_number_with_few_values_has_few_pieces(values: list[float]) -> None:
    """The pieces tell its values apart, and so their sum rises with the number."""
    data = line(values, [0, 1, 2, 3, 4], trained=5)
    layout = standardised(data)
    knots = quantile_knots(data, layout, 4)
    encoded = encode(data.inputs, layout, knots)

    assert knots.shape == (1, 5)
    assert (np.diff(knots) >= 0).all()
    assert encoded.sum(axis=1).tolist() == pytest.approx([value - min(values) for value in values])


def test_products_of_columns_are_found() -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.uniform(1, 3, (60, 3)), columns=["a", "b", "c"])
    table["y"] = 7 + 2 * table.a * table.b - 3 * table.c**2 + table.a
    data = of_table(table, ["train"] * 45 + ["test"] * 15, ["a", "b", "c"], [], "y")
    assert predict_target(quadratic(data), data.inputs) == pytest.approx(table["y"], abs=0.01)


def test_too_many_columns_to_multiply_are_refused() -> None:
    table = pd.DataFrame({"town": [f"town {number // 2}" for number in range(120)], "y": np.arange(120.0)})
    data = of_table(table, ["train"] * 120, [], ["town"], "y")
    with pytest.raises(Unsuitable, match=r"^multiplies at most 50 encoded columns; the table has 61$"):
        quadratic(data)
