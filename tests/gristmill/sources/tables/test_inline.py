"""Numbers that stand in the settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from gristmill.errors import DataError
from gristmill.settings.validation import table_problems
from gristmill.sources.tables.inline import Inline

LINE = Inline.model_validate({"kind": "inline", "x": [-1, 0, 2.5], "y": [-3, -1, 4]})


def test_the_named_columns_are_read_as_numbers() -> None:
    frame = LINE.read((), [], ["y", "x"]).frame
    assert frame.columns.tolist() == ["y", "x"]
    assert frame["x"].tolist() == [-1, 0, 2.5]
    assert frame["y"].tolist() == [-3, -1, 4]
    assert {str(dtype) for dtype in frame.dtypes} == {"float64"}


def test_rows_count_from_1() -> None:
    rows = LINE.read((), [], ["x"])
    assert rows.frame.index.tolist() == [1, 2, 3]
    assert rows.where(1) == "the inline numbers row 2"


def test_another_column_is_refused() -> None:
    with pytest.raises(DataError, match=r"^the inline numbers: no column 'z'\. Columns: 'x', 'y'\.$"):
        LINE.read((), ["z"], ["y"])


def test_columns_of_unequal_length_are_refused_with_both_lengths() -> None:
    with pytest.raises(ValidationError) as caught:
        Inline.model_validate({"kind": "inline", "x": [1, 2], "y": [1, 2, 3]})
    assert [problem.line for problem in table_problems(caught.value, Inline)] == [
        "y: expected as many numbers as x, 2, not 3. Received: [1, 2, 3] (array)."
    ]


@pytest.mark.parametrize(
    "x", [[], ["1", "2", "3"], [1, 2, float("nan")], [1, 2, float("inf")], [1, 2, 4e38], [1, True, 2], "123", 1]
)
def test_what_is_no_array_of_finite_numbers_is_refused(x: Any) -> None:
    with pytest.raises(ValidationError):
        Inline.model_validate({"kind": "inline", "x": x, "y": [1, 2, 3]})
