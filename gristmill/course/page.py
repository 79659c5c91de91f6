"""The course table, as Markdown for `docs/course.md` and as a page beside the reports."""

import itertools
import statistics
from collections.abc import Iterator
from pathlib import Path

from gristmill.course.rows import CourseResult, means
from gristmill.reports.page import link_to, page_name, render_page
from gristmill.reports.sections import Section, Table
from gristmill.settings.messages import format_number
from gristmill.store.store import Store
from gristmill.util.files import write_atomically

MARKDOWN = "docs/course.md"
PAGE = "_course"
TITLE = "The course, and what it gives here"

_HEADINGS = [
    "week",
    "network",
    "pipeline",
    "ours",
    "the course's code",
    "published",
    "best baseline",
    "train s",
    "made",
]
_ABOUT = (
    "Test scores, mean ± standard deviation over seeds: 42, which the catalogue has, and those after it. The course's "
    "own code, written afresh, learned from the same examples as ours and was scored on the same. Published figures "
    "belong to the course's own split. The best baseline is that of the test part; seconds are of training one "
    "network, beside other work."
)


def write_markdown(results: list[CourseResult], root: Path) -> Path:
    """Write the table to `docs/course.md` of the project and return its path."""
    lines = [
        f"# {TITLE}",
        "",
        f"Written by `gristmill course`, which writes a page with links to the reports, too. {_ABOUT}",
    ]
    for course, found in _by_course(results):
        lines += ["", f"## Course {course}", "", _line(_HEADINGS), _line(["---"] * len(_HEADINGS))]
        lines += [_line(_cells(result)) for result in found]
        lines += ["", *(f"- {remark}" for remark in _remarks(found))]
    path = root / MARKDOWN
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, ("\n".join(lines) + "\n").encode())
    return path


def write_page(results: list[CourseResult], store: Store) -> Path:
    """Render the table beside the reports and return its path: `reports/_course.html` in the store."""

    def link(result: CourseResult) -> str:
        name = result.row.pipeline
        return link_to(store, page_name(name, "trial"), name)

    def section(course: int, found: list[CourseResult]) -> Section:
        rows = [[week, what, link(result), *rest] for result in found for week, what, _, *rest in [_cells(result)]]
        remarks = [[remark] for remark in _remarks(found)]
        tables = [Table("", _HEADINGS, rows, words=True), Table("", ["about these"], remarks, words=True)]
        return Section(f"Course {course}", tables=tables)

    facts = {"rows": f"{len(results)}", "with scores": f"{sum(bool(result.tests) for result in results)}"}
    sections = [section(course, found) for course, found in _by_course(results)]
    return render_page(store, PAGE, TITLE, _ABOUT, facts, sections)


def _by_course(results: list[CourseResult]) -> Iterator[tuple[int, list[CourseResult]]]:
    for course, found in itertools.groupby(results, key=lambda result: result.row.course):
        yield course, list(found)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _cells(result: CourseResult) -> list[str]:
    row, outcomes = result.row, result.outcomes
    code = (
        f"{means(row.code.scores)} ({_seeds(len(row.code.scores))}, {row.code.epochs} epochs)"
        if row.code
        else "not run"
    )
    if not outcomes:
        return [row.week, row.what, row.pipeline, "–", code, row.published, "–", "–", "–"]
    scores = outcomes[0].scores
    return [
        row.week,
        row.what,
        row.pipeline,
        f"{outcomes[0].metric} {means(result.tests)} ({_seeds(len(outcomes), row.seeds)})",
        code,
        row.published,
        f"{format_number(scores.headline.baseline)} {scores.best_baseline}",
        f"{statistics.mean(outcome.seconds for outcome in outcomes):,.0f}",
        max(outcome.made for outcome in outcomes)[:10],
    ]


def _remarks(results: list[CourseResult]) -> Iterator[str]:
    """Yield what must be said of the rows: why there are no scores, what they were published on, why ours are worse."""
    for result in results:
        row = result.row
        if result.missing and len(result.outcomes) < row.seeds:
            yield f"{row.what}: {result.missing}"
        if row.note:
            yield f"{row.what}: {row.note}"
        elif result.is_worse:
            yield f"{row.what}: ours is worse than the course's code, and why is not known yet."
    for split, found in itertools.groupby(results, key=lambda result: result.row.split):
        yield f"Published on {split}: {', '.join(result.row.pipeline for result in found)}."
    made = {
        f"{library} {outcome.versions[library]}"
        for result in results
        for outcome in result.outcomes
        for library in ("keras", "tensorflow")
    }
    code = {f"{result.row.code.versions} on {result.row.code.date}" for result in results if result.row.code}
    yield from [f"Ours were made with {', '.join(sorted(made))}."] if made else []
    yield from [f"The course's code was run with {'; '.join(sorted(code))}."] if code else []


def _seeds(count: int, of: int | None = None) -> str:
    """Return `3 seeds`, or `2 of 3 seeds` where some are missing."""
    asked = count if of is None else of
    return f"{count if count == asked else f'{count} of {asked}'} seed{'s' * (asked > 1)}"
