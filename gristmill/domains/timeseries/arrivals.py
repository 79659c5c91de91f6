"""Check arrivals of series: limits that are measured on the known rows apply to new, late and changed rows.

An arrival is compared with the last good data. Rules of values do not judge rows that were known and stayed the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data.shifted_times import describe_shift, time_shift
from gristmill.errors import count_of
from gristmill.settings.arrivals import SeriesArrivals
from gristmill.settings.number_text import format_number
from gristmill.settings.schedule import parse_duration
from gristmill.util.table_io import read_document, read_table

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

MIN_KNOWN = 20  # known rows of a series to measure its values on
_MIN_REVISED = 10  # fewer changed rows never break a rule
_MIN_RESCALED_SHARE = 0.9  # of the known rows, if the unit of all values has changed
_MAX_RESCALED_ERROR = 0.01  # in standard deviations: values may be rounded after the change
_ROUNDING = 1e-6  # relative difference of values that counts as equal: other programs write other digits
_MAX_ROWS_LISTED = 3
_EQUAL_STEP = 0.01  # steps below this share of the median step do not count as changes
_TOLERATED_SERIES = 0.005  # share of the series that may break a rule of values: some have a first promotion or closure


class Finding(NamedTuple):
    """Rows that break a rule."""

    rule: str  # the setting
    text: str


def broken_rules(ingest: Path, before: Path, rules: SeriesArrivals, clock: datetime) -> dict[str, str]:
    """Return why an arrival is set aside, by rule; nothing if it keeps all rules.

    Args:
        ingest: the ingested arrival.
        before: the last good data.
        rules: the limits.
        clock: the present time, with a time zone.
    """
    summary, known = (read_document(folder / "summary.json") for folder in (ingest, before))
    now, then = (read_table(folder / "series.parquet") for folder in (ingest, before))
    if now["ds"].dtype.kind != then["ds"].dtype.kind:  # no row is known any more: a rule on lost rows says so
        return {}
    columns = [name for name in (*known["targets"], *known["inputs"]) if name in now]
    found = list(Arrival.of(now, then, columns).findings(rules, clock))
    if known.get("line_ends") and not summary["line_ends"]:
        unlike = "the last row does not end with a line break, unlike in the last good data"
        text = f"{unlike}: the file may be cut inside its last value"
        found.append(Finding("line break", text))
    return by_rule(found)


def by_rule(findings: Iterable[Finding]) -> dict[str, str]:
    """Return the texts of findings by rule; a rule may be broken by several columns."""
    texts: dict[str, str] = {}
    for rule, text in findings:
        texts[rule] = f"{texts[rule]}; {text}" if rule in texts else text
    return texts


def contradiction(ingest: Path, rules: SeriesArrivals) -> dict[str, str]:
    """Return which rules of values the data itself breaks.

    `max_repeats` is broken by any longer run, the other rules if the second half breaks them, given the first.
    """
    summary, table = read_document(ingest / "summary.json"), read_table(ingest / "series.parquet")
    columns = [*summary["targets"], *summary["inputs"]]
    arrival = halves(table, columns)
    broken = by_rule(finding for finding in arrival.broken_values(rules) if finding.rule != "max_repeats")
    limit = rules.max_repeats
    for name in columns if limit else ():
        known = known_figures(arrival.now, name)[["repeats", "last_repeats"]].max(axis=1)
        longer = known[known > limit]
        if len(longer) > _TOLERATED_SERIES * len(known):
            of = f" in {count_of(len(longer), 'series')}, the first: {longer.index[0]!r}" if len(known) > 1 else ""
            broken["max_repeats"] = f"{name!r} has {longer.max():,.0f} equal values in a row{of}"
    return broken


def halves(table: pd.DataFrame, columns: list[str]) -> "Arrival":
    """Return the second half of each series as the arrival that follows the first half."""
    place = table.groupby("unique_id").cumcount() / table.groupby("unique_id")["ds"].transform("size")
    return Arrival.of(table, table[place < 0.5], columns)


@dataclass(frozen=True)
class Arrival:
    """The rows of all series now and before, in the order of series and time, and which of them are fresh."""

    now: pd.DataFrame
    then: pd.DataFrame
    columns: list[str]  # to judge
    fresh: Mask  # (rows now,): new, late and changed rows
    changed: Mask  # (rows now,): known times with another value

    @classmethod
    def of(cls, now: pd.DataFrame, then: pd.DataFrame, columns: list[str]) -> "Arrival":
        """Compare two tables with `unique_id`, `ds`, `filled` and columns; rows with filled values are left out."""
        keys = ["unique_id", "ds"]
        now, then = (table.loc[~table["filled"], keys + columns].reset_index(drop=True) for table in (now, then))
        both = now.merge(then, "left", keys, suffixes=("", " before"), indicator=True)
        is_known = (both["_merge"] == "both").to_numpy()
        differs = np.zeros(len(now), bool)
        for name in columns:
            values, before = both[name].to_numpy(np.float64), both[f"{name} before"].to_numpy(np.float64)
            smallest = _ROUNDING * np.nanstd(before) if is_known.any() else 0.0
            differs |= ~np.isclose(values, before, rtol=_ROUNDING, atol=smallest, equal_nan=True)
        return cls(now, then, columns, fresh=differs | ~is_known, changed=differs & is_known)

    def findings(self, rules: SeriesArrivals, clock: datetime) -> Iterator[Finding]:
        """Yield the broken rules."""
        count, known, cause = int(self.changed.sum()), len(self.then), ""
        if count > max(rules.max_revised * known, _MIN_REVISED):
            cause = self._cause_of_revision()
            why = cause or f"the first: {self.name_of_row(int(self.changed.argmax()))}"
            changed = f"{count:,} of {count_of(known, 'known rows')} have other values, {why}"
            yield Finding("max_revised", f"{changed} (max_revised = {rules.max_revised:g})")
        if ahead := self._ahead(rules.max_ahead, clock):
            yield Finding("max_ahead", ahead)
        if not cause:  # otherwise the values break rules for the same reason
            yield from self.broken_values(rules)

    def _cause_of_revision(self) -> str:
        """Return the distance by which all times moved, or the line on which all values moved; nothing if unknown."""
        if shift := time_shift(self.now, self.then):
            return f"because all times moved by {describe_shift(shift)}"
        if self.changed.sum() < _MIN_RESCALED_SHARE * len(self.then):
            return ""
        both = self.then.merge(self.now, "inner", ["unique_id", "ds"], suffixes=("", " now"))
        for name in self.columns:
            values = both[[name, f"{name} now"]].dropna().to_numpy(np.float64)
            before, now = values.T
            noise = _MAX_RESCALED_ERROR * values.std(axis=0).min(initial=np.inf)
            if not len(values) or before.min() == before.max() or np.abs(now - before).max() <= noise:
                continue
            factor, offset = np.polyfit(before, now, 1)
            error = np.abs(factor * before + offset - now).max()
            if error <= _MAX_RESCALED_ERROR * now.std() and now.min() < now.max():
                plus = f" {'+' if offset > 0 else '-'} {format_number(abs(offset), digits=3)}"
                line = f"{format_number(factor)} × before{plus if abs(offset) > error else ''}"
                return f"because the unit of {name!r} changed: now = {line}"
        return ""

    def _ahead(self, limit: str, clock: datetime) -> str:
        """Return how many new rows are later than the clock allows; nothing if there are none.

        Times without a time zone are taken as UTC. A time may name the end of its step.
        """
        if self.now["ds"].dtype.kind != "M" or not len(self.then):
            return ""
        times = np.unique(self.then["ds"].to_numpy())
        step = np.median(np.diff(times)) if len(times) > 1 else np.timedelta64(0)
        clock = clock.replace(tzinfo=None)
        last = pd.Timestamp(clock) + max(pd.Timedelta(parse_duration(limit)), pd.Timedelta(step))
        ahead = self.fresh & (self.now["ds"] > last).to_numpy()
        if not ahead.any():
            return ""
        newest, known = self.now["ds"].max(), pd.Timestamp(times[-1])
        also = f"; known rows are, too, up to {_time(known)}: check the clock" if known > last else ""
        return (
            f"{count_of(ahead.sum(), 'new rows')} are later than the clock, {clock:%Y-%m-%d %H:%M} UTC, the newest: "
            f"{_time(newest)}{also} (max_ahead = {limit!r})"
        )

    def broken_values(self, rules: SeriesArrivals) -> Iterator[Finding]:
        """Yield the rules that fresh values break, each with the first of them."""
        for name in self.columns if len(self.now) and len(self.then) else ():
            column = Column(self, name)
            for rule, limits in column.limits(rules).items():
                broken = column.judged & (column.measures[rule] > limits)
                series = self.now.loc[broken, "unique_id"].nunique()
                if series > _TOLERATED_SERIES * self.then["unique_id"].nunique():
                    yield Finding(rule, column.describe(rule, broken, limits))

    def name_of_row(self, at: int) -> str:
        """Return the time and, if there are several, the series of a row now."""
        series, time = self.now["unique_id"].iloc[at], self.now["ds"].iloc[at]
        return f"{_time(time)}{f' of series {series!r}' if self.now['unique_id'].nunique() > 1 else ''}"


class Column:
    """Values of one column: what the fresh rows measure, and what is known of their series."""

    def __init__(self, arrival: Arrival, name: str) -> None:
        self._arrival, self._name = arrival, name
        codes, series = pd.factorize(arrival.now["unique_id"])
        self._starts = np.append(True, codes[1:] != codes[:-1])
        self._values = arrival.now[name].to_numpy(np.float64)
        self._known = known_figures(arrival.then, name).reindex(series).take(codes)

    def _of_series(self, figure: str) -> Values:
        """Return a figure of the known rows of each row's series, (rows,)."""
        return self._known[figure].to_numpy(np.float64)

    @cached_property
    def judged(self) -> Mask:
        """Rows that end a fresh step, in series that are known well enough and are not constant."""
        fresh = self._arrival.fresh
        touched = fresh | (np.append(False, fresh[:-1]) & ~self._starts)
        enough: Mask = touched & (self._of_series("rows") >= MIN_KNOWN) & (self._of_series("range") > 0)
        return enough

    @cached_property
    def measures(self) -> dict[str, Values]:
        """Measures of all rows, by rule, (rows,) each."""
        steps = np.abs(np.diff(self._values, prepend=self._values[:1]))
        steps[self._starts] = 0.0
        beyond = np.maximum(self._of_series("lowest") - self._values, self._values - self._of_series("highest"))
        repeats = run_lengths(~self._starts & (steps <= _EQUAL_STEP * self._of_series("usual_step")))
        return {"max_step": steps, "max_beyond": beyond, "max_repeats": repeats}

    def needed_multiple(self, rule: str) -> float:
        """Return the smallest `max_step` or `max_beyond` that is not broken; 0 if no row can be judged."""
        unit = self._of_series("step" if rule == "max_step" else "range")[self.judged]
        needed = pd.Series(self.measures[rule][self.judged] / unit)
        by_series = np.sort(needed.groupby(self._arrival.now.loc[self.judged, "unique_id"].to_numpy()).max())
        tolerated = int(_TOLERATED_SERIES * self._arrival.then["unique_id"].nunique())
        return max(0.0, float(by_series[-1 - tolerated])) if len(by_series) > tolerated else 0.0

    def limits(self, rules: SeriesArrivals) -> dict[str, Values]:
        """Return the limits of the measures of each row, by rule.

        A run of equal values that was known to be longer than its limit has been accepted: it may go on.
        """
        repeats = self._of_series("repeats")
        allowed = 2 * repeats + 2 if rules.max_repeats is None else np.full(len(repeats), float(rules.max_repeats))
        accepted = self._of_series("last_repeats") > allowed
        return {
            "max_step": rules.max_step * self._of_series("step"),
            "max_beyond": rules.max_beyond * self._of_series("range"),
            "max_repeats": np.where(accepted, np.inf, allowed),
        }

    def describe(self, rule: str, broken: Mask, limits: Values) -> str:
        """Return what breaks a rule: the number of rows, the first or, of equal values, the last of them."""
        at = int(np.flatnonzero(broken)[-1] if rule == "max_repeats" else broken.argmax())
        known = {name: format_number(value) for name, value in self._known.iloc[at].items()}
        name, rows, row = repr(self._name), count_of(broken.sum(), "rows"), self._arrival.name_of_row(at)
        value, limit = format_number(self._values[at]), format_number(limits[at])
        others = "".join(
            f", {self._arrival.name_of_row(other)}" for other in np.flatnonzero(broken)[1:_MAX_ROWS_LISTED]
        )
        others = f" (next:{others[1:]})" if others else ""
        if rule == "max_repeats":
            found = f"{name} is {value} in {self.measures[rule][at]:,.0f} consecutive rows, the last on {row}"
            return f"{found}; the longest known sequence has {known['repeats']} (max_repeats allows {limit})"
        if rule == "max_step":
            found = f"{name} is too far from the value before in {rows}, the first: {value} on {row}"
            before = f"after {format_number(self._values[at - 1])}{others}; the largest known step is {known['step']}"
            return f"{found}, {before} (max_step allows {limit})"
        found = f"{name} is too far outside the known range, {known['lowest']} to {known['highest']}, in {rows}"
        return f"{found}, the first: {value} on {row}{others} (max_beyond allows a distance of {limit})"


def known_figures(then: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return figures of the known values of each series: rows, range, steps and runs of equal values."""
    series = then.groupby("unique_id", sort=False)
    steps = series[name].diff().abs()
    by_series = steps.groupby(then["unique_id"], sort=False)
    figures = pd.DataFrame({"rows": series.size(), "lowest": series[name].min(), "highest": series[name].max()})
    figures["range"] = figures["highest"] - figures["lowest"]
    figures["step"] = by_series.max()
    usual = steps.where(steps > 0).groupby(then["unique_id"], sort=False).median()
    figures["usual_step"] = usual.fillna(0.0)
    # The run at the end may go on in the arrival, so it says nothing about how long runs usually are.
    equal = (steps <= _EQUAL_STEP * then["unique_id"].map(figures["usual_step"])).to_numpy()
    runs = pd.Series(run_lengths(equal), index=then.index)
    is_last = (series.cumcount(ascending=False) < runs.groupby(then["unique_id"]).transform("last")).to_numpy()
    figures["last_repeats"] = runs.groupby(then["unique_id"], sort=False).last()
    ended = runs.mask(is_last, 1.0)
    figures["repeats"] = ended.groupby(then["unique_id"], sort=False).max()
    return figures


def run_lengths(equal: Mask) -> Values:
    """Return the length of the run of equal values that each row is in, up to that row.

    `equal` is whether a value equals the one before it: False, True, True gives 1, 2, 3.
    """
    positions = np.arange(len(equal))
    starts = np.maximum.accumulate(np.where(equal, 0, positions))
    return (positions - starts + 1).astype(np.float64)


def _time(time: Any) -> str:
    return str(time).removesuffix(" 00:00:00")
