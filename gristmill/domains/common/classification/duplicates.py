"""Examples that stand in two parts, byte by byte: they stay, and the score of such a part flatters the model."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

_PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))  # parts that should share nothing
_NAMED = 5  # examples of two parts that are named


def find_duplicates(index: pd.DataFrame, content: "pd.Series[str]") -> list[dict[str, Any]]:
    """Return which parts share examples: `part`, `also_in`, `count` (of the part's), `pairs` (ids of some in both).

    Args:
        index: `id` and `part` of each example.
        content: what is equal where examples are: the example itself, or its hash.
    """
    return list(_found(index[["id", "part"]].assign(content=content)))


def _found(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for part, other in _PAIRS:
        own, known = (rows[rows["part"] == name] for name in (part, other))
        first = known.drop_duplicates("content").set_index("content")["id"]
        found = own[own["content"].isin(first.index)]
        if len(found):
            named = found.head(_NAMED)
            pairs = [[id_, first[content]] for id_, content in zip(named["id"], named["content"], strict=True)]
            yield {"part": part, "also_in": other, "count": len(found), "pairs": pairs}
