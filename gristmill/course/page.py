"""The course table, as Markdown in `docs/course.md` and as an HTML page."""

import itertools
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

from gristmill.course.rows import CourseResult, mean_and_spread
from gristmill.reports.page import link_to, page_name, render_page
from gristmill.reports.sections import Section, Table
from gristmill.settings.messages import MISSING, format_number
from gristmill.store.store import Store
from gristmill.util.files import write_atomically

MARKDOWN = "docs/course.md"
PAGE = "_course"
TITLE = "The networks of the course, and ours"

_HEADINGS = ["week", "network", "pipeline", "ours", "course's code", "published", "best baseline", "train s", "made"]
_ABOUT = (
    "Scores on the test set, mean ± standard deviation over seeds: 42, the default, and the following ones. The "
    "course's code was rewritten, trained on the same examples as ours and scored on the same test set. Published "
    "scores are on the course's own split. The best baseline is the one that is best on the test set. Seconds are for "
    "training one network, on a machine with other work."
)


def write_markdown(results: list[CourseResult], root: Path) -> Path:
    """Write the table to `docs/course.md` of the project and return its path."""
    note = "Written by `gristmill course`, together with an HTML page that links to the reports."
    lines = [f"# {TITLE}", "", f"{note} {_ABOUT}"]
    for course, found in _by_course(results):
        lines += ["", f"## Course {course}", "", _line(_HEADINGS), _line(["---"] * len(_HEADINGS))]
        lines += [_line(_cells(result)) for result in found]
        lines += ["", *(f"- {remark}" for remark in _remarks(found))]
    path = root / MARKDOWN
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "\n".join(lines) + "\n")
    return path


def write_page(results: list[CourseResult], store: Store) -> Path:
    """Render the table as `reports/_course.html` in the store and return its path."""
    sections = []
    for course, found in _by_course(results):
        names = [result.row.pipeline for result in found]
        links = [link_to(store, page_name(name, "trial"), name) for name in names]
        rows = [_cells(result, link) for result, link in zip(found, links, strict=True)]
        remarks = [[remark] for remark in _remarks(found)]
        tables = [Table("", _HEADINGS, rows, words=True), Table("", ["remarks"], remarks, words=True)]
        sections.append(Section(f"Course {course}", tables=tables))
    facts = {"rows": f"{len(results)}", "with scores": f"{sum(bool(result.tests) for result in results)}"}
    return render_page(store, PAGE, TITLE, _ABOUT, facts, sections)


def _by_course(results: list[CourseResult]) -> Iterator[tuple[int, list[CourseResult]]]:
    for course, found in itertools.groupby(results, key=lambda result: result.row.course):
        yield course, list(found)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _cells(result: CourseResult, name: str | None = None) -> list[str]:
    """Return the cells of a row; `name` replaces that of the pipeline."""
    row, outcomes, code = result.row, result.outcomes, "not run"
    if row.code:
        code = f"{mean_and_spread(row.code.scores)} ({_seeds(len(row.code.scores))}, {row.code.epochs} epochs)"
    ours, baseline, seconds, made = [MISSING] * 4
    if outcomes:
        scores, count = outcomes[0].scores, f"{len(outcomes)} of " if len(outcomes) < row.seeds else ""
        ours = f"{outcomes[0].metric} {mean_and_spread(result.tests)} ({count}{_seeds(row.seeds)})"
        baseline = f"{format_number(scores.headline.baseline)} {scores.best_baseline}"
        seconds = f"{statistics.mean(outcome.seconds for outcome in outcomes):,.0f}"
        made = max(outcome.made for outcome in outcomes)[:10]
    return [row.week, row.what, name or row.pipeline, ours, code, row.published, baseline, seconds, made]


def _remarks(results: list[CourseResult]) -> Iterator[str]:
    """Yield why scores are missing or worse, the split of published scores, and versions."""
    for result in results:
        row = result.row
        if result.missing and len(result.outcomes) < row.seeds:
            yield f"{row.what}: {result.missing}"
        if row.note:
            yield f"{row.what}: {row.note}"
        elif result.is_worse:
            yield f"{row.what}: ours is worse than the course's code; the reason is not known yet."
    for split, found in itertools.groupby(results, key=lambda result: result.row.split):
        yield f"Published on {split}: {', '.join(result.row.pipeline for result in found)}."
    libraries = {
        f"{library} {outcome.versions[library]}"
        for result in results
        for outcome in result.outcomes
        for library in ("keras", "tensorflow")
    }
    code = {f"{result.row.code.versions} on {result.row.code.date}" for result in results if result.row.code}
    yield from [f"Ours were made with {', '.join(sorted(libraries))}."] if libraries else []
    yield from [f"The course's code was run with {'; '.join(sorted(code))}."] if code else []


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count > 1)}"
