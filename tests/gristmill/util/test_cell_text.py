"""Text of cells, value by value."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.util.table_io import as_texts


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (pd.Series([3.0, 3.5, None, -0.1]), ["3", "3.5", None, "-0.1"]),
        (pd.Series([3.0, 0.1], dtype="float32"), ["3", "0.1"]),
        (pd.Series([2**53 - 1, None], dtype="float64"), ["9007199254740991", None]),
        (pd.Series([1, None], dtype="Int64"), ["1", None]),
        (pd.Series([True, False]), ["true", "false"]),
        (
            pd.Series([True, None, 1, 1.0, "1.0", "True", np.nan, Decimal("1.50")], dtype=object),
            ["true", None, "1", "1", "1.0", "True", None, "1.50"],
        ),
        (pd.Series(["1.0", None], dtype="category"), ["1.0", None]),
        (pd.to_datetime(pd.Series(["2024-03-01", None])), ["2024-03-01", None]),
        (pd.to_datetime(pd.Series(["2024-03-01T00:00", "2024-03-01T16:30"])), ["2024-03-01", "2024-03-01 16:30:00"]),
    ],
)
def test_the_text_of_a_value_does_not_depend_on_the_others(cells: "pd.Series[Any]", texts: list[str | None]) -> None:
    found = as_texts(cells)

    assert found.dtype == "str"
    assert found.astype(object).where(found.notna(), None).tolist() == texts
    assert [as_texts(cells.iloc[[at]]).iloc[0] for at in range(len(cells)) if texts[at]] == [t for t in texts if t]
