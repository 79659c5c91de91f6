"""Examples that occur in two parts. They are kept but reported, because they inflate the score of a part."""

from typing import Any

import pandas as pd

_PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))  # parts that should share nothing
_MAX_PAIRS_LISTED = 5


def find_duplicates(index: pd.DataFrame, content: "pd.Series[str]") -> list[dict[str, Any]]:
    """Return which parts share examples: `part`, `also_in`, `count` of examples, `pairs` of ids in both.

    The index has columns `id` and `part`; the content of equal examples is equal.
    """
    rows, duplicates = index[["id", "part"]].assign(content=content), []
    for part, other in _PAIRS:
        examples, others = (rows[rows["part"] == name] for name in (part, other))
        first = others.drop_duplicates("content").set_index("content")["id"]
        shared = examples[examples["content"].isin(first.index)]
        if len(shared):
            listed = shared.head(_MAX_PAIRS_LISTED)
            pairs = [[id_, first[same]] for id_, same in zip(listed["id"], listed["content"], strict=True)]
            duplicates.append({"part": part, "also_in": other, "count": len(shared), "pairs": pairs})
    return duplicates
