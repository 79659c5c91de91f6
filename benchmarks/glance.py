"""Summary of speed, memory and accuracy in results.md, in one table that links to the sections.

    benchmarks/glance.py [--write]

Measures nothing: each figure is read from the section that its row links to, so the two cannot differ. A section that
is missing or has no figures yet is left out.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from measuring import RESULTS, arguments, replaced, sections, table

HEADING = "All at a glance"
ANY = r"[^|]*\|"  # one cell of a table


@dataclass(frozen=True)
class Figure:
    """Row of the table: the groups of a pattern in a section, and the text that shows them."""

    what: str
    section: str
    pattern: str
    told: str = "{} times as fast"


FIGURES = (
    Figure(
        "windows fed to training, compared with `window().flat_map()`",
        "Windows",
        rf"^\| windows/s{ANY}{ANY}{ANY} ([\d.]+)",
    ),
    Figure(
        "one epoch of a small dense network, compared with the course's code",
        "Windows",
        rf"^\| epoch of 100{ANY}{ANY}{ANY} ([\d.]+)",
    ),
    Figure(
        "10,000,000 observations of a Parquet file, whole run",
        "Ten million observations",
        r"([\d.]+) GiB and\s+the\s+run\s+took\s+(\d+) s",
        "{} GiB, {} s",
    ),
    Figure(
        "photos augmented in memory, compared with `ImageDataGenerator`",
        "Photos",
        rf"^\| augmented in{ANY}{ANY}{ANY} ([\d.]+)",
    ),
    Figure("photos delivered", "Photos", rf"^\| delivered(?! and){ANY}{ANY}{ANY} ([\d.]+)"),
    Figure("photos delivered and augmented", "Photos", rf"^\| delivered and{ANY}{ANY}{ANY} ([\d.]+)"),
    Figure(
        "vocabulary fitted, compared with the legacy `Tokenizer`",
        "Texts",
        rf"^\| vocabulary fitted{ANY}{ANY}{ANY} ([\d.]+)",
    ),
    Figure("texts encoded", "Texts", rf"^\| texts encoded{ANY}{ANY}{ANY} ([\d.]+)"),
    Figure(
        "one epoch of `imdb_lstm` with length buckets, compared with padding",
        "Texts",
        r"([\d.]+) and\s+[\d.]+\s+times\s+as\s+fast",
    ),
    Figure(
        "error of the champion over all replays, relative to the better of never and always retraining",
        "Retraining",
        rf"^\| \*\*all\*\* \|{ANY * 3} ([\d.]+)",
        "{}",
    ),
    Figure("run with nothing to do", "Nothing to do", rf"^\| `gristmill run{ANY} ([\d.]+)", "{} s of CPU"),
    Figure(
        "Python that only imports Prefect",
        "Nothing to do",
        rf"^\| `python -c 'import prefect{ANY} ([\d.]+)",
        "{} s of CPU",
    ),
    *(
        Figure(
            f"nothing to do in a small pipeline: {tool}",
            "DVC and Metaflow",
            rf"^\| {tool}{ANY}{ANY} ([\d.]+)",
            "{} s of CPU",
        )
        for tool in ("gristmill", "dvc", "metaflow")
    ),
    *(
        Figure(
            f"in addition to a Keras script, {how}",
            "Overhead",
            rf"^\| `gristmill run`, {how} \|{ANY} (\S+) \|{ANY} (\S+)",
            "{} s, {} MiB",
        )
        for how in ("server running", "no server running")
    ),
    *(
        Figure(
            f"loss on tables with the preset quick, relative to {rival}",
            "Tables",
            rf"^- quick.*Better than {rival} on (\d+) of (\d+).*?losses: ([\d.]*\d)",
            "better on {} of {}, {} times",
        )
        for rival in ("LightGBM", "AutoGluon")
    ),
    *(
        Figure(
            f"{data}, whole process",
            "Growth",
            rf"^\| {data} \|{ANY * 7} ([\d,]+) \| ([\d,]+) \|",
            "{} s, {} MiB",
        )
        for data in (
            "10,000,000 observations of a CSV file",
            "1,000,000 rows of a CSV file",
            "40,000 photos of 160 pixels",
            "50,000 documents of 120 words",
            "2,000,000 characters of text",
        )
    ),
    *(
        Figure(
            f"{data} in 8 pipelines by {how}, compared with one process",
            "Wide runs",
            rf"^\| {data} \| 8 \| `{runner}` \|{ANY * 2} ([\d.]+)",
        )
        for data in ("10,000 series", "100,000 photos")
        for runner, how in (("2", "two processes"), ("dask:2", "two Dask workers"))
    ),
    *(
        Figure(
            f"{data} in 8 pipelines by two Dask workers with a store on S3, compared with one",
            "Wide runs",
            rf"^\| {data} \| 8 \| `s3:2` \|{ANY * 2} ([\d.]+)",
        )
        for data in ("10,000 series", "100,000 photos")
    ),
    *(
        Figure(
            f"`{name}` reaches the score of the course's code",
            "Time to quality",
            rf"^\| {name} \| gristmill \|{ANY * 5} ([\d.]+) \|",
        )
        for name in ("sunspots_course", "fashion_cnn", "cats_dogs_transfer", "imdb_average")
    ),
)


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the table from the text of results.md."""
    by_heading = sections(text)
    for figure in FIGURES:
        section = by_heading.get(figure.section, "")
        if not re.search(r"\d", section):
            continue
        found = re.search(figure.pattern, section, re.MULTILINE)
        if found is None:
            sys.exit(f"results.md, {figure.section}: found no figure for: {figure.what}")
        yield figure.what, figure.told.format(*found.groups()), link(figure.section)


def link(section: str) -> str:
    """Return a link to a section of results.md."""
    return f"[{section}](#{re.sub(r'[^a-z0-9_-]', '', section.lower().replace(' ', '-'))})"


def main() -> None:
    write = arguments(__doc__).parse_args().write
    text = RESULTS.read_text()
    lines = table(["what", "measured", "section"], list(rows(text)))
    print("\n".join(lines))
    if write:
        RESULTS.write_text(replaced(text, HEADING, lines))


if __name__ == "__main__":
    main()
