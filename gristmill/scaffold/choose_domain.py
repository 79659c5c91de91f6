"""Proposal of a pipeline, whose domain is chosen by the files, or by what the columns of a table hold."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gristmill.config.domains import domain_of
from gristmill.errors import DataError, RequestError, count_of
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import ForecastOptions, Proposal
from gristmill.scaffold.series_columns import NoSeries, choose_series, irregular_share
from gristmill.scaffold.shared_guesses import why_no_classes
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.target_column import choose_class_column
from gristmill.scaffold.text import longest_texts, mean_lengths
from gristmill.scaffold.time_columns import (
    NoTimes,
    counts_rows,
    find_times,
    gap_ratio,
    holds_unread_times,
    is_named_like_time,
)
from gristmill.scaffold.timeseries import MIN_TIMES
from gristmill.scaffold.vision import names_photos
from gristmill.sources import archives
from gristmill.sources.documents.files import TextFiles
from gristmill.sources.images.folder import PHOTO_SUFFIXES, READABLE_SUFFIXES

_MAX_IRREGULAR_SHARE = 0.1  # of the series of a table


def propose(data: Data, domain: str | None, target: str | None, options: Mapping[str, Any]) -> Proposal:
    """Return the proposal of a domain, which is chosen if it is not given; `options` are those of a forecast.

    Raises:
        DataError: there is no data, or it cannot be read.
        RequestError: the options do not fit, or the test set has no size.
    """
    why = ""
    if domain is None and any(options.values()):
        domain, why = "timeseries", "horizon, test set or series were requested"
    elif domain is None:
        domain, why = choose_domain(data, target)
    size = options.get("test")
    if size is not None and (size <= 0 or (size > 1 and size % 1)):
        raise RequestError(f"--test {size:g}: expected a whole number of observations, or a share below 1.")
    test = int(size) if size is not None and size >= 1 else size
    requested = ForecastOptions(options.get("horizon"), test, options.get("series", ()))
    return replace(domain_of(domain).propose_pipeline.load()(data, target, requested), why=why)


def choose_domain(data: Data, target: str | None = None) -> tuple[str, str]:
    """Return the domain for some data and the requested column to predict, and the reason in one line.

    Raises:
        DataError: there is no data, or a table cannot be read, for example because of one cell among its times.
    """
    files = data.files()
    suffixes = (*PHOTO_SUFFIXES, *TextFiles.suffixes)
    readable = [path for path in files if path.name.lower().endswith((*suffixes, *archives.SUFFIXES))]
    with archives.open_files(readable, suffixes) as readers:
        members = list(readers)
    # Files say what they are by their names.
    for photo_suffixes in (READABLE_SUFFIXES, PHOTO_SUFFIXES):
        if photos := sum(path.name.lower().endswith(photo_suffixes) for path in members):
            return "vision", count_of(photos, "photos")
    if any(path.name.lower().endswith((".npz", "-ubyte", "-ubyte.gz")) for path in files):
        return "vision", "arrays of images"
    if len(members) > 1 and not why_no_classes(members):
        return "text", f"{len(members):,} texts, in a folder for each class"
    if members:
        number = "plain text" if len(members) == 1 else f"{len(members):,} texts"
        return "generation", f"{number} without classes"
    return _domain_of_table(data, target)


def _domain_of_table(data: Data, target: str | None) -> tuple[str, str]:
    table = read_table(data)
    requested = table.column(target) if target else None
    columns = table.columns.values()
    if photos := [column.name for column in columns if names_photos(column)]:
        return "vision", f"{photos[0]!r} names photos"
    if sum(bool(re.fullmatch(r"pixel\d+|\d+x\d+", column.name)) for column in columns) > len(columns) / 2:
        return "vision", "a column for each pixel"
    if requested and requested.is_category and (requested.numbers is None or requested.distinct == 2):
        span, why_not = "", f"{target!r} holds classes"
    else:
        span, why_not = _find_series(table)
    if span:
        return "timeseries", span
    if requested and not requested.is_category:
        return "tabular", why_not
    try:
        text = longest_texts(table)
        label, _ = choose_class_column(table, {text.name}, target)
    except DataError:  # no column of texts or classes
        return "tabular", why_not
    # Texts have several words and rarely repeat. Beside many columns of numbers, a short text is one input of many.
    numbers = [column for column in columns if column.numbers is not None and not column.is_named_like_id]
    min_words = 20 if len(numbers) > 3 else 4
    if mean_lengths(text)[0] < min_words or text.distinct < 0.5 * len(text.cells):
        return "tabular", why_not
    return "text", f"{text.name!r} holds texts, {label.name!r} {label.distinct} classes"


def _find_series(table: SampledTable) -> tuple[str, str]:
    """Return the times of a table of series, or an empty string and why it is none."""
    try:
        times = find_times(table)
        names = ", ".join(map(repr, times.columns))
        name = times.columns[0]
        counts_times = is_named_like_time(name) and not counts_rows(name)
        if times.time_format == "integer" and not counts_times:
            return "", _no_times(table)
        series = choose_series(table, times, None)
        if (count := times.values.nunique()) < MIN_TIMES:
            return "", f"only {count} times in {names}, and a forecast needs {MIN_TIMES}: check the domain"
        if series and irregular_share(times, series) > _MAX_IRREGULAR_SHARE:
            return "", f"the times in {names} have no regular distance in each series: check the domain"
        if gap_ratio(times.values) > 1:  # more gaps than times are events rather than a series
            return "", f"the times in {names} have no regular distance: check the domain"
    except NoTimes:
        return "", _no_times(table)
    except NoSeries:
        check = ": check the domain" if times.values.is_monotonic_increasing else ""
        return "", f"the times in {names} repeat, and no column names the series{check}"
    except DataError as error:
        raise DataError(f"{error} If these rows are no time series, use --domain tabular.") from None
    return f"times in {names}", ""


def _no_times(table: SampledTable) -> str:
    """Return that no column holds times, and whether the names of columns look like them."""
    years = [name for name in table.columns if re.fullmatch(r"[A-Za-z]?(19|20)\d\d", name)]
    unread = [column.name for column in table.columns.values() if holds_unread_times(column)]
    if unread:
        return f"no column holds times that can be read, but {unread[0]!r} is named like one: check the domain"
    if len(years) < MIN_TIMES:
        return "no column holds times"
    others = [name for name in table.columns if name not in years]
    melt = f"frame.melt({others[:3]}, var_name='year', value_name='value')"
    return (
        f"no column holds times, but {years[0]!r} to {years[-1]!r} are named like years: check the domain. A forecast "
        f"needs a row for each time, as a function of source.prepare can return: {melt}"
    )
