"""Tables get columns of any name."""

import pandas as pd

from gristmill.util.columns import with_columns


def test_any_name_is_a_column() -> None:
    table = pd.DataFrame({"self": [1, 2], "x": [3, 4]})

    changed = with_columns(table, {"self": [5, 6], "new": [7, 8]})

    assert changed.to_dict("list") == {"self": [5, 6], "x": [3, 4], "new": [7, 8]}
    assert table.to_dict("list") == {"self": [1, 2], "x": [3, 4]}
