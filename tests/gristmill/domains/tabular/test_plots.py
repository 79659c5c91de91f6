"""The pictures show the numbers they are given."""

import pandas as pd

from gristmill.domains.tabular.plots import line_figure, residual_figure, scatter_figure

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
        "train": ([1, 3], [1.5, 2.5]),
        "test": ([5], [4]),
    }


def test_the_line_goes_from_left_to_right_through_all_parts() -> None:
    lines = drawn(line_figure(pd.Series([10.0, 30, 20], name="x"), ROWS, "y", "least_squares"))
    assert lines["model"] == ([10, 20, 30], [1.5, 2.5, 4])
    assert lines["least_squares"] == ([10, 20, 30], [1, 3, 5])
    assert lines["test"] == ([30], [5])


def test_residuals_are_truth_minus_prediction() -> None:
    axes = residual_figure(ROWS[ROWS["part"] == "train"]).axes[0]
    points = axes.get_lines()[1]
    assert list(points.get_xdata()) == [1.5, 2.5]
    assert list(points.get_ydata()) == [-0.5, 0.5]
