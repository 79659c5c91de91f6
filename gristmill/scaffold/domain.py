"""Proposal of a pipeline, whose domain is chosen by the files, or by what the columns of a table hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gristmill.config.domains import domain_of
from gristmill.errors import DataError, RequestError, count_of
from gristmill.scaffold.column import words_of
from gristmill.scaffold.data import Data
from gristmill.scaffold.folders import why_no_classes
from gristmill.scaffold.photos import names_photos
from gristmill.scaffold.proposal import Asked, Proposal
from gristmill.scaffold.series_column import NoSeries, choose_series
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.target_column import choose_class_column
from gristmill.scaffold.text import longest_texts, mean_lengths
from gristmill.scaffold.time_columns import NoTimes, find_times, gap_ratio, is_named_like_time
from gristmill.sources import archives
from gristmill.sources.documents.files import TextFiles
from gristmill.sources.images.folder import PHOTO_SUFFIXES, READABLE_SUFFIXES

Choice = tuple[str, str]  # domain, and the reason

_ARRAYS = (".npz", "-ubyte", "-ubyte.gz")
_PIXEL = re.compile(r"pixel\d+|\d+x\d+")
_COUNTING_WORDS = {"id", "index", "no", "nr", "obs", "unnamed"}  # columns that number rows, but not times
_MIN_WORDS, _MIN_DIFFERENT_SHARE = 4, 0.5  # mean words of a text, and different texts per row
_MAX_NUMBERS, _MIN_WORDS_AMONG_NUMBERS = 3, 20  # with more columns of numbers, only longer texts are not one of many
_MAX_GAP_RATIO = 1.0  # more gaps than times are events rather than a series


def propose(data: Data, domain: str | None, target: str | None, options: Mapping[str, Any]) -> Proposal:
    """Return the proposal of a domain, which is chosen if it is not given; `options` are those of a forecast.

    Raises:
        DataError: there is no data, or it cannot be read.
        RequestError: the options do not fit.
    """
    why = ""
    if domain is None and any(options.values()):
        domain, why = "timeseries", "horizon, test set or series were requested"
    elif domain is None:
        domain, why = choose_domain(data, target)
    return replace(domain_of(domain).propose_pipeline.load()(data, target, _asked(options)), why=why)


def _asked(options: Mapping[str, Any]) -> Asked:
    """Return the options of a forecast; raise `RequestError` for a test set of no size."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    size = given.get("test")
    if size is not None and (size <= 0 or (size > 1 and size % 1)):
        raise RequestError(f"--test {size:g}: expected a whole number of observations, or a share below 1.")
    return Asked(**given | ({"test": int(size)} if size is not None and size >= 1 else {}))


def choose_domain(data: Data, target: str | None = None) -> Choice:
    """Return the domain for some data and the requested column to predict, and the reason in one line.

    Raises:
        DataError: there is no data, or a table cannot be read, for example because of one cell among its times.
    """
    files = data.files()
    suffixes = (*PHOTO_SUFFIXES, *TextFiles.suffixes)
    readable = [path for path in files if path.name.lower().endswith((*suffixes, *archives.SUFFIXES))]
    with archives.open_files(readable, suffixes) as members:
        found = list(members)
    names = [path.name.lower() for path in found]
    counts = (sum(name.endswith(suffixes) for name in names) for suffixes in (READABLE_SUFFIXES, PHOTO_SUFFIXES))
    if photos := next(filter(None, counts), 0):
        return "vision", count_of(photos, "photos")
    if any(path.name.lower().endswith(_ARRAYS) for path in files):
        return "vision", "arrays of images"
    if found:
        return _of_texts(found)
    return _of_table(data, target)


def _of_texts(texts: Sequence[Path]) -> Choice:
    if len(texts) > 1 and not why_no_classes(texts):
        return "text", f"{len(texts):,} texts, in a folder for each class"
    return "generation", "plain text without classes" if len(texts) == 1 else f"{len(texts):,} texts without classes"


def _of_table(data: Data, target: str | None) -> Choice:
    table = read_table(data)
    requested = table.column(target) if target else None
    columns = table.columns.values()
    if photos := [column.name for column in columns if names_photos(column)]:
        return "vision", f"{photos[0]!r} names photos"
    if sum(bool(_PIXEL.fullmatch(column.name)) for column in columns) > len(columns) / 2:
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
    words = mean_lengths(text)[0]
    numbers = [column for column in columns if column.numbers is not None and not column.is_named_like_id]
    if words < (_MIN_WORDS_AMONG_NUMBERS if len(numbers) > _MAX_NUMBERS else _MIN_WORDS):
        return "tabular", why_not
    if text.distinct < _MIN_DIFFERENT_SHARE * len(text.cells):
        return "tabular", why_not
    return "text", f"{text.name!r} holds texts, {label.name!r} {label.distinct} classes"


def _counts_times(name: str) -> bool:
    """Return whether a column of consecutive numbers is named like times rather than like rows."""
    return is_named_like_time(name) and _COUNTING_WORDS.isdisjoint(words_of(name))


def _find_series(table: SampledTable) -> Choice:
    """Return the times of a table of series, or an empty string and why it is none."""
    try:
        times = find_times(table)
        names = ", ".join(map(repr, times.columns))
        if times.time_format == "integer" and not _counts_times(times.columns[0]):
            return "", "no column holds times"
        choose_series(table, times, None)
        if gap_ratio(times.values) > _MAX_GAP_RATIO:
            return "", f"the times in {names} have no regular distance"
    except NoTimes:
        return "", "no column holds times"
    except NoSeries:
        return "", f"the times in {names} repeat, and no column identifies the series"
    except DataError as error:
        raise DataError(f"{error} If these rows are no time series, use --domain tabular.") from None
    return f"times in {names}, {times.span}", ""
