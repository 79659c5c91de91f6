"""The pictures show the numbers they are given."""

import pandas as pd

from gristmill.domains.tabular.report import (
    MAX_DOTS,
    line_figure,
    residual_figure,
    residuals_by_feature_figure,
    scatter_figure,
)

ROWS = pd.DataFrame(
    {
        "part": ["train", "test", "train"],
        "y": [1.0, 5, 3],
        "model": [1.5, 4, 2.5],
        "least_squares": [1.0, 5, 3],
    }
)


def drawn(figure: object) -> dict[str, tuple[list[float], list[float]]]:
    """Return the points of each named line of a figure's first axes."""
    lines = figure.axes[0].get_lines()
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in lines}


def test_predictions_are_drawn_against_truth_by_part() -> None:
    assert drawn(scatter_figure(ROWS)) == {
        "equal": ([1, 5], [1, 5]),
        "training": ([1, 3], [1.5, 2.5]),
        "test": ([5], [4]),
    }


def test_the_line_goes_from_left_to_right_through_all_parts() -> None:
    lines = drawn(line_figure(pd.Series([10.0, 30, 20], name="x"), ROWS, "y", "least_squares"))
    assert lines["model"] == ([10, 20, 30], [1.5, 2.5, 4])
    assert lines["least_squares"] == ([10, 20, 30], [1, 3, 5])
    assert lines["test"] == ([30], [5])


def test_of_very_many_rows_some_are_drawn_and_all_are_counted() -> None:
    many = pd.DataFrame({"part": "test", "y": range(5_000), "model": 0.0})
    features = pd.DataFrame({"x": range(5_000)})

    residuals, by_feature = residual_figure(many), residuals_by_feature_figure(many, features)

    assert len(drawn(scatter_figure(many))["test"][0]) == MAX_DOTS
    points, of_feature = (figure.axes[0].get_lines()[1] for figure in (residuals, by_feature))
    assert len(points.get_xdata()) == len(of_feature.get_xdata()) == MAX_DOTS
    assert list(of_feature.get_xdata()) == list(of_feature.get_ydata())
    assert sum(bar.get_width() for bar in residuals.axes[1].patches) == 5_000


def test_residuals_are_truth_minus_prediction() -> None:
    axes = residual_figure(ROWS[ROWS["part"] == "train"]).axes[0]
    points = axes.get_lines()[1]
    assert list(points.get_xdata()) == [1.5, 2.5]
    assert list(points.get_ydata()) == [-0.5, 0.5]
