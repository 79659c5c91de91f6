"""All at a glance: what results.md tells of speed, in one table that points to the sections.

    benchmarks/glance.py [--write]

Measures nothing: each figure is read out of the section that it points to, so that the two cannot differ. A section
that is not there, or in which nothing was measured yet, is left out.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from measuring import RESULTS, arguments, replaced, sections, table

HEADING = "All at a glance"
ANY = r"[^|]*\|"  # a cell of a table


@dataclass(frozen=True)
class Figure:
    """A row of the table: a pattern whose groups are found in a section, and how they are told."""

    what: str
    section: str
    pattern: str
    told: str = "{} times as fast"


FIGURES = (
    Figure(
        "windows reach training, beside `window().flat_map()`", "Windows", rf"^\| windows/s{ANY}{ANY}{ANY} ([\d.]+)"
    ),
    Figure("an epoch of a small dense network on windows", "Windows", rf"^\| epoch of 100{ANY}{ANY}{ANY} ([\d.]+)"),
    Figure("ten million observations", "Ten million observations", r"([\d.]+) GiB, (\d+) s", "{} GiB, {} s in all"),
    Figure(
        "photos augmented in memory, beside `ImageDataGenerator`",
        "Photos",
        rf"^\| augmented in{ANY}{ANY}{ANY} ([\d.]+)",
    ),
    Figure("photos delivered", "Photos", rf"^\| delivered(?! and){ANY}{ANY}{ANY} ([\d.]+)"),
    Figure("photos delivered and augmented", "Photos", rf"^\| delivered and{ANY}{ANY}{ANY} ([\d.]+)"),
    Figure(
        "a vocabulary fitted, beside the legacy `Tokenizer`",
        "Texts",
        rf"^\| (?:vocabulary )?fitted{ANY}{ANY}{ANY} ([\d.]+)",
    ),
    Figure("texts encoded", "Texts", rf"^\| encoded{ANY}{ANY}{ANY} ([\d.]+)"),
    Figure("an epoch of `imdb_lstm` on length buckets, beside padding", "Texts", r"([\d.]+) and [\d.]+ times as fast"),
    Figure(
        "error of the champion over replays with shifts, relative to the better of never and always retraining",
        "Retraining",
        rf"^\| \*\*all\*\* \|{ANY * 3} ([\d.]+)",
        "{}",
    ),
    Figure("a run with nothing to do", "Nothing to do", rf"^\| `gristmill run{ANY} ([\d.]+)", "{} s"),
    Figure(
        "a Python that only imports Prefect", "Nothing to do", rf"^\| `python -c 'import prefect{ANY} ([\d.]+)", "{} s"
    ),
    *(
        Figure(
            f"nothing to do, a small pipeline: {tool}",
            "Beside DVC and Metaflow",
            rf"^\| {tool}{ANY}{ANY} ([\d.]+)",
            "{} s",
        )
        for tool in ("gristmill", "dvc", "metaflow")
    ),
    *(
        Figure(
            f"beyond a bare script of Keras, {how}",
            "Overhead",
            rf"^\| `gristmill run`, {how} \|{ANY} (\S+) \|{ANY} (\S+)",
            "{} s, {} MiB",
        )
        for how in ("a Prefect server running", "no server running")
    ),
    *(
        Figure(
            f"{data}, the whole process",
            "Growth",
            rf"^\| {data} \|{ANY * 7} ([\d,]+) \| ([\d,]+) \|",
            "{} s, {} MiB",
        )
        for data in (
            "10,000,000 observations of a CSV file",
            "1,000,000 rows of a CSV file",
            "40,000 photos of 160 pixels",
            "50,000 documents of 120 words",
            "2,000,000 characters of a text to go on with",
        )
    ),
    *(
        Figure(
            f"{data} in 8 pipelines, two at a time by {how}, beside one after the other",
            "Wide runs",
            rf"^\| {data} \| 8 \| `{runner}` \|{ANY * 2} ([\d.]+)",
        )
        for data in ("10,000 series", "100,000 photos")
        for runner, how in (("2", "processes"), ("dask:2", "Dask"))
    ),
    *(
        Figure(
            f"`{name}` as good as the course's code",
            "Time to quality",
            rf"^\| {name} \| gristmill \|{ANY * 5} ([\d.]+) \|",
            "{} times sooner",
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
            sys.exit(f"results.md, {figure.section}: nothing there tells of: {figure.what}")
        place = re.sub(r"[^\w-]", "", figure.section.lower().replace(" ", "-"))
        yield figure.what, figure.told.format(*found.groups()), f"[{figure.section}](#{place})"


def main() -> None:
    write = arguments(__doc__).parse_args().write
    text = RESULTS.read_text()
    lines = table(["what", "measured", "section"], list(rows(text)))
    print("\n".join(lines))
    if write:
        RESULTS.write_text(replaced(text, HEADING, lines))


if __name__ == "__main__":
    main()
