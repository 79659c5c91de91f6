"""Copies of examples, and groups such as persons: kept in one set if it is drawn, and reported where the source's own
parts share them, because that inflates the score of a part.
"""

from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.groups import Groups, merge_groups
from gristmill.errors import RequestError
from gristmill.settings.messages import unknown_name

_PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))  # parts that should share nothing
_MAX_PAIRS_LISTED = 5


def examples_together(index: pd.DataFrame, content: "pd.Series[Any]", column: str | None) -> Groups:
    """Return the groups of examples that stay in one set: of equal content, or of equal value in a column.

    An empty cell of the column belongs to no group.

    Raises:
        RequestError: the index has no such column.
    """
    contents = pd.factorize(content)[0]
    if column is None:
        return merge_groups(contents)
    if column not in index:
        metadata = [str(name) for name in index if name not in ("id", "label", "part")]
        raise RequestError(f"preprocess.group: {unknown_name('column', column, metadata)} Name it in the metadata.")
    values = index[column].replace("", None)
    numbers = pd.factorize(values)[0]
    return merge_groups(contents, np.where(values.isna(), len(index) + np.arange(len(index)), numbers))


def describe_copies(
    index: pd.DataFrame, content: "pd.Series[Any]", column: str | None, noun: str
) -> tuple[dict[str, Any], dict[str, int]]:
    """Return which examples are together or in two parts, for `summary.json`, and their counts for the artifact.

    The index has columns `id` and `part`; content and column are those of `examples_together`. `noun` names examples.
    """
    rows = index[["id", "part"]].assign(content=content)
    copies = rows[rows.duplicated(["part", "content"])]
    first = rows.drop_duplicates(["part", "content"]).set_index(["part", "content"])["id"]
    pairs = [[id_, first[part, same]] for id_, part, same in copies.head(_MAX_PAIRS_LISTED).itertuples(index=False)]
    summary: dict[str, Any] = {
        "repeated": find_duplicates(index, content),
        "copies": {"count": len(copies), "pairs": pairs},
    }
    counts = {"duplicates kept in one set": len(copies)}
    counts |= {f"{one['part']}_{noun}_also_in_{one['also_in']}": one["count"] for one in summary["repeated"]}
    if column is not None:
        values = index[column].replace("", None)
        counts[f"groups by {column}"] = values.nunique()
        summary["groups"] = {"column": column, "shared": find_duplicates(index, values)}
        counts |= {
            f"{one['part']} {noun} of a {column} in {one['also_in']}": one["count"]
            for one in summary["groups"]["shared"]
        }
    return summary, {name: count for name, count in counts.items() if count}


def find_duplicates(index: pd.DataFrame, content: "pd.Series[Any]") -> list[dict[str, Any]]:
    """Return which parts share examples: `part`, `also_in`, `count` of examples, `pairs` of ids in both.

    The index has columns `id` and `part`; the content of equal examples is equal. Examples without it are left out.
    """
    rows, duplicates = index[["id", "part"]].assign(content=content).dropna(subset="content"), []
    for part, other in _PAIRS:
        examples, others = (rows[rows["part"] == name] for name in (part, other))
        first = others.drop_duplicates("content").set_index("content")["id"]
        shared = examples[examples["content"].isin(first.index)]
        if len(shared):
            listed = shared.head(_MAX_PAIRS_LISTED)
            pairs = [[id_, first[same]] for id_, same in zip(listed["id"], listed["content"], strict=True)]
            duplicates.append({"part": part, "also_in": other, "count": len(shared), "pairs": pairs})
    return duplicates
