"""What the pictures of a report show, by their data."""

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.text import report
from gristmill.reports.pictures import as_svg


@pytest.fixture
def index() -> pd.DataFrame:
    parts = ["train"] * 200 + ["test"] * 4
    return pd.DataFrame({"part": parts, "tokens": [*range(1, 200), 5000, 1, 1, 100, 5000]})


def test_lengths_are_shares_of_each_part_and_the_longest_are_in_the_last_bar(index: pd.DataFrame) -> None:
    (axes,) = report.lengths_figure(index, cut=120).axes

    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(names) == ["test", "training", "truncated at 120"]
    assert axes.get_xlim()[1] < 300
    for outline in axes.patches:
        steps = np.asarray(outline.get_xy())
        assert steps[:, 1].max() <= 1
    assert [line.get_xdata()[0] for line in axes.lines] == [120]


def test_a_cut_that_no_text_exceeds_is_not_drawn(index: pd.DataFrame) -> None:
    (axes,) = report.lengths_figure(index[index["tokens"] < 10], cut=9).axes

    assert not axes.lines


def test_tokens_stand_where_they_are_in_the_colour_of_their_class() -> None:
    places = pd.DataFrame(
        {"token": ["good", "$x$", "\n"], "class": ["pos", "neg", "pos"], "x": [1.0, -1.0, 2.0], "y": [0.0, 0.5, 1.0]}
    )

    figure = report.embedding_figure(places, ["neg", "pos"], [0.75, 0.2])

    (axes,) = figure.axes
    assert {line.get_label(): line.get_xydata().tolist() for line in axes.lines} == {
        "neg": [[-1.0, 0.5]],
        "pos": [[1.0, 0.0], [2.0, 1.0]],
    }
    assert [text.get_text() for text in axes.texts] == ["good", "$x$", "\\n"]
    assert axes.get_xlabel() == "first component, 75% of the variance"
    assert "$x$" in as_svg(figure, "")


@pytest.mark.parametrize(("count", "named"), [(4, True), (5, False)])
def test_of_many_classes_there_is_no_legend(count: int, named: bool) -> None:
    classes = [f"class {number}" for number in range(count)]
    places = pd.DataFrame({"token": classes, "class": classes, "x": 0.0, "y": 0.0})

    (axes,) = report.embedding_figure(places, classes, [0, 0]).axes

    assert (axes.get_legend() is not None) == named
