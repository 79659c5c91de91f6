"""Inputs that may contain the target: nearly equal to it, or another way of writing it."""

from collections.abc import Iterable

import pandas as pd

from gristmill.scaffold.column import SampledColumn

_MIN_RANK_CORRELATION = 0.999
_MIN_DETERMINED_SHARE = 0.99  # minimum share of rows whose value of a category tells their target
_MIN_ROWS_PER_VALUE = 2  # on average; where values hardly repeat, each tells the target of its own row


def leak_notes(target: SampledColumn, inputs: Iterable[SampledColumn]) -> list[str]:
    """Return a note for each input that may contain the target, with the figure that says so."""
    return [
        f"Possible leak: {column.name!r} {figure}. Leave it out unless you know it before the target {target.name!r}."
        for column in inputs
        if (figure := _figure(target, column))
    ]


def _figure(target: SampledColumn, column: SampledColumn) -> str:
    """Return how a column tells the target; empty if it does not."""
    rows = pd.DataFrame({"target": target.numbers, "cell": column.cells, "number": column.numbers}).dropna(
        subset=["target", "cell"]
    )
    if rows.empty:
        return ""
    if column.numbers is not None and target.distinct > 2:
        rank = abs(rows["target"].rank().corr(rows["number"].rank()))
        if rank >= _MIN_RANK_CORRELATION:
            return f"follows the target (rank correlation {rank:.4f})"
    if column.distinct * _MIN_ROWS_PER_VALUE > len(rows):
        return ""
    usual = rows.groupby("cell")["target"].agg(lambda values: values.value_counts().iloc[0]).sum() / len(rows)
    by_chance = rows["target"].value_counts(normalize=True).iloc[0]
    if usual < _MIN_DETERMINED_SHARE or 1 - usual > (1 - by_chance) / 10:
        return ""
    return f"tells the target: each of its {column.distinct:,} values goes with one, in {usual:.1%} of the rows"
