"""Parser of the documentation for its tests: pages, their code blocks, commands, output, links and anchors."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import ROOT

DOCS = ROOT / "docs"
_SCORES = re.compile(r"scores\b|point ")  # start of the heading of a table that is sorted by a score
_BEGUN = re.compile(r"(\w+( \d+/\d+)?|train [\w-]+) +(started|starting|loading)")  # shown only for a while
_PERFECT = re.compile(r"warning an accuracy of 1 on the test set .*")  # a shorter training is not perfect
_COLUMNS = re.compile(" {2,}")  # separator of two columns of a table
# Tests compare these files of the documentation with the output of their generators.
GENERATED = {"reference/commands.md", "reference/settings.md", "_static/packages.svg"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the file to save it as, if any."""

    language: str
    file: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line after `$`, and the output that the page shows below it."""

    line: str
    output: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line, comments=True)


def pages() -> list[str]:
    """Return the names of all pages; those in `docs` are relative to it."""
    found = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts)
    return ["README.md", *found]


def text_of(page: str) -> str:
    return path_of(page).read_text(encoding="utf-8")


def path_of(page: str) -> Path:
    return (ROOT if page == "README.md" else DOCS) / page


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order; the word after the language is the file to save a block as."""
    fences = re.finditer(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
    yield from (Block(fence[1], fence[2] or "", fence[3]) for fence in fences)


def commands(block: Block) -> list[Command]:
    """Return the commands of a `console` block that begin with `$`, or the one of a `bash` block."""
    if block.language == "bash":
        return [Command(block.text.strip(), ())]
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:] if block.language == "console" else []
    return [Command(line, tuple(output)) for line, *output in (part.rstrip("\n").split("\n") for part in parts)]


def anchors(page: str) -> set[str]:
    """Return the anchors of a page: its headings, named as GitHub and MyST do."""
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(page: str) -> list[str]:
    """Return the targets of a page's links within the project."""
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return [place for place in re.findall(r"\]\(<?([^)>\s]+)>?\)", prose) if "://" not in place]


def differences(shown: tuple[str, ...], printed: str) -> list[str]:
    """Return the lines that a page shows and a command did not print; without a line `…`, also additional lines.

    Numbers, plurals and spaces may differ, and `…` matches anything. Lines must be in the printed order, except those
    of a table of scores, whose order differs after a shorter training. A page may show no output at all.
    """
    left, lost, extra, at = _in_order(printed.splitlines()), [], [], 0
    for line in (line for line in _in_order(shown) if line != "…"):
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")))
        found = next((place for place in range(at, len(left)) if pattern.fullmatch(left[place])), None)
        if found is None:
            lost.append(f"- {line}")
        else:
            extra += left[at:found]
            at = found + 1
    whole = bool(shown) and "…" not in map(str.strip, shown)
    return lost + [f"+ {line}" for line in [*extra, *left[at:]] if whole]


def stale_numbers(shown: tuple[str, ...], printed: str) -> list[str]:
    """Return the lines of a page with other numbers than the printed ones, of those that a shorter training has too.

    They are the counts of the data, the sizes of the models, and the scores of baselines, which may differ by 2 %.
    """
    expected, found = _lasting_numbers(shown), _lasting_numbers(printed.splitlines())
    return [
        f"- {name}: {numbers}, not {found[name]}"
        for name, numbers in expected.items()
        if name in found and found[name] != pytest.approx(numbers, rel=0.02, abs=0.001)
    ]


def _lasting_numbers(lines: Sequence[str]) -> dict[str, list[float]]:
    """Return the numbers of the lines that do not depend on the epochs of a training, by their beginning."""
    found: dict[str, list[float]] = {}
    columns = 0
    for line in lines:
        name, *cells = _COLUMNS.split(line.strip())
        if done := re.fullmatch(r"(ingest|preprocess|train [\w-]+) +done in \S+ s \((.+)\)", line):
            found[done[1]] = _numbers(re.sub(r", \d+ epochs?", "", done[2]))
        elif line.startswith("scores "):
            columns = len(cells)
        elif columns == len(cells) and name != "model":
            found[name] = _numbers(" ".join(cells))
        elif columns != len(cells):
            columns = 0
    return found


def _numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"[-+]?\d[\d,]*(?:\.\d+)?", text)]


def _in_order(lines: Sequence[str]) -> list[str]:
    """Return normalised lines; the rows of a table of scores are sorted."""
    found: list[str] = []
    columns, begin = 0, 0  # of the current table of scores: columns (0: none), position of the first row
    for line in (line for line in lines if line.strip() and not (_BEGUN.fullmatch(line) or _PERFECT.fullmatch(line))):
        count = len(_COLUMNS.split(line.strip()))
        if count != columns:
            columns = 0
        found.append(_plain(line))
        if columns:
            found[begin:] = sorted(found[begin:])
        elif _SCORES.match(line):
            columns, begin = count, len(found)
    return found


def _plain(line: str) -> str:
    """Return a line without words that contain a digit, such as numbers and keys, and without repeated spaces.

    The winning candidates, and whether the model beats the best baseline, also differ after a shorter training.
    """
    line = re.sub(r"^chosen  .* won: .*", "chosen … won", line)
    line = re.sub(r"^model   .* the best baseline.*", "model   … the best baseline", line)
    line = re.sub(r"[^\s…()\[\]{}\"'=/|]*\d[^\s…()\[\]{}\"'=/|]*|\bnan\b", "#", line)
    return " ".join(re.sub(r"(?<=[a-z])s\b", "", line).split())  # 1 member, 2 members
