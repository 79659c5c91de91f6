"""Every page, opened in a browser: it is whole without anything else, fits its window, and can be read on any.

Skipped where there is no browser. Sections of the domains come from the small runs of their own tests.
"""

import importlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from conftest import SMALL
from gristmill.project.overview_page import write_index
from gristmill.project.project import Project
from gristmill.reports.page import render_page
from gristmill.reports.retraining import write_retraining
from gristmill.reports.sections import Passage, Section, Table
from gristmill.runs.retraining_record import DataChanges, Drift, ErrorDrift, InputDrift, Judgement, Retraining
from gristmill.scores import Scores
from gristmill.store.store import Store
from gristmill.sweeps.result import LeaderboardEntry, SweepResult
from gristmill.sweeps.trials import SweepPoint, TrialScores
from helpers.browser import NAMES, Browser, executable, running
from helpers.support import write_project

pytest_plugins = ["helpers.end_to_end", "helpers.small_judged", "helpers.small_scored_texts", "helpers.small_writers"]

pytestmark = pytest.mark.slow

Scheme = Literal["light", "dark"]
Folders = dict[str, Path]

WIDTHS = [1280, 390]  # pixels: of a desk, of a phone
PAPER = 718  # pixels of a page of A4 between its margins
LINE = """
[pipelines.line]
domain = "tabular"
description = "A line"
source = { kind = "inline", x = [-1, 0, 1, 2, 3, 4, 10], y = [-3, -1, 1, 3, 5, 7, 19] }
ingest = { target = "y", numbers = ["x"] }
preprocess = { test = 1, split = "last", scale = "none" }
model = { kind = "dense", units = [] }
train = { epochs = 2 }
export = { formats = ["keras"] }
"""
UNBROKEN = "a_name_that_never_ends_" * 12
LONG = Section(
    "Whatever is long",
    UNBROKEN,
    tables=[
        Table("Figures", [f"column {at}" for at in range(40)], [[f"{at * 1234.5678:,.4f}" for at in range(40)]]),
        Table(
            UNBROKEN, ["name", "value", "why"], [[UNBROKEN, UNBROKEN, "for one reason or another " * 12]], words=True
        ),
    ],
    passages=[Passage("Text", UNBROKEN * 3)],
)
JUDGED = Retraining(
    champion=1,
    news=DataChanges(later=36, revised=2),
    unjudged=36,
    drift=Drift(
        errors=ErrorDrift(count=36, mean=2, mean_before=1, large=4, run=9, run_before=2, probability=0.001),
        inputs=[InputDrift(name="sunspots", test="Kolmogorov-Smirnov", statistic=0.4, probability=0.2)],
    ),
    judgement=Judgement(
        metric="mae",
        scores={"challenger": 1.5, "champion": 2.0, "naive": 3.0},
        items=36,
        difference=0.5,
        interval=(0.1, 0.9),
        best_baseline="naive",
        promoted=True,
        why="it is better",
        over_time={"challenger": [1.4, 1.6], "champion": [2.1, 1.9], "naive": [2.5, 3.5]},
    ),
    verdict="promoted",
    why="the challenger's error is 25% lower on 36 new observations, and the interval leaves out nought",
    version=2,
)

# Words of elements that have some of their own, with what is drawn of them.
WORDS = """[...document.querySelectorAll('body *')].filter(
    element => !element.closest('style, defs, metadata')
        && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()))"""
DRAWN = "element.closest('svg') ? Math.hypot(element.getScreenCTM().a, element.getScreenCTM().b) : 1"
SIZES = f"{WORDS}.map(element => [element.closest('svg') ? 'svg' : 'page', \
    parseFloat(getComputedStyle(element).fontSize) * ({DRAWN}), element.textContent.trim().slice(0, 40)])"
BOXES = """[...document.querySelectorAll('svg, svg image')].map(picture => picture.getBoundingClientRect())
    .map(box => [box.width, box.height])"""
GROUND = "getComputedStyle(document.body).backgroundColor"
FITS = "document.documentElement.scrollWidth === document.documentElement.clientWidth"
INKS = f"{WORDS}.map(element => [getComputedStyle(element)[element.closest('svg') ? 'fill' : 'color'], \
    element.textContent.trim().slice(0, 40)])"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for all pages."""
    command = executable()
    if command is None:
        pytest.skip(f"needs a browser on PATH, one of {', '.join(NAMES)}")
    with running(command, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory,
    finished_store: Path,
    parity_here: None,
    judged: Folders,
    opinions: Folders,
    written: Folders,
) -> list[Path]:
    """A page of each kind and each domain, in one folder."""
    root = tmp_path_factory.mktemp("pages")
    write_project(root, SMALL + LINE + "".join(SMALL.replace("small", f"another_{at}") for at in range(12)))
    shutil.copytree(finished_store, root / "data/store")
    project = Project.open(root)
    project.run("line")
    small = project.record("small")
    retrained = project.runs.start(project.catalogue.pipeline("small"), [], {})
    project.runs.update("small", retrained.id, retraining=JUDGED)
    retrained = project.runs.finish("small", retrained.id, "succeeded")
    domains = {"vision": judged, "text": opinions, "generation": written}
    return [
        project.result("small").report,
        project.result("line").report,
        *(_page_of(domain, folders, project.store) for domain, folders in domains.items()),
        write_retraining(retrained, "A retraining", project.store),
        project.compare("small", small.id, small.id).page,
        SweepResult("small", "A sweep", _places(project), project.store).report,
        render_page(project.store, "long", UNBROKEN, UNBROKEN, {"with": UNBROKEN}, [LONG]),
        write_index(project),
    ]


def _page_of(domain: str, folders: Folders, store: Store) -> Path:
    """Render what a domain shows of a run, from the folders of its stages."""
    sections = importlib.import_module(f"gristmill.domains.{domain}.report").sections(folders)
    return render_page(store, domain, domain, f"A small run of {domain}", {"domain": domain}, sections)


def _places(project: Project) -> list[LeaderboardEntry]:
    """Return a leaderboard of three points, each with the scores of the finished run."""
    pipeline, record = project.catalogue.pipeline("small"), project.record("small")
    scores = Scores.read(project.store.open_verified(record.references["evaluate"]).path)
    return [
        LeaderboardEntry(
            SweepPoint((), pipeline, f"model.kind = {name}, train.epochs = 40"),
            [TrialScores(scores, 2.0, 99)],
            1,
        )
        for name in ("linear", "dense", "lstm")
    ]


@dataclass(frozen=True)
class Shown:
    """A page as a window shows it."""

    page: Path
    asked: list[str]  # addresses
    complaints: list[str]
    fits: bool  # it does not scroll sideways
    ground: str  # colour
    sizes: list[Any]
    inks: list[Any]
    boxes: list[list[float]]  # width and height of each picture


Look = Callable[..., Sequence[Shown]]


@pytest.fixture(scope="module")
def look(browser: Browser, pages: Sequence[Path]) -> Look:
    """Return a function that gives all pages as a window of some width shows them, each opened once."""

    def shown(page: Path, width: int, scheme: Scheme) -> Shown:
        browser.open(page, width, scheme)
        found = [browser.evaluate(question) for question in (FITS, GROUND, SIZES, INKS, BOXES)]
        return Shown(page, browser.requests(), browser.complaints(), *found)

    @cache
    def all_shown(width: int, scheme: Scheme) -> Sequence[Shown]:
        return [shown(page, width, scheme) for page in pages]

    return lambda width, scheme="light": all_shown(width, scheme)


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_a_page_asks_for_nothing_but_itself_and_logs_no_complaint(look: Look) -> None:
    for shown in look(1280):
        asked = [address for address in shown.asked if not address.startswith("data:image/")]
        assert (shown.page.name, asked, shown.complaints) == (shown.page.name, [shown.page.as_uri()], [])


def test_a_browser_notices_what_a_page_asks_for_and_logs(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<!doctype html><img src="missing.png"><script>console.error("broken"); nothing.at.all</script>')

    browser.open(page, 1280)

    assert browser.requests() == [page.as_uri(), (tmp_path / "missing.png").as_uri()]
    told = " ".join(browser.complaints())
    assert all(words in told for words in ("broken", "nothing is not defined", "ERR_FILE_NOT_FOUND"))


def test_no_page_scrolls_sideways(look: Look, width: int) -> None:
    assert [shown.page.name for shown in look(width) if not shown.fits] == []


def test_words_are_large_enough_to_read(look: Look, width: int) -> None:
    least = {"page": 14, "svg": 9}  # pixels on the screen
    for shown in look(width):
        small = [found for found in shown.sizes if found[1] < least[found[0]] - 0.01]
        assert (shown.page.name, small) == (shown.page.name, [])
        assert len(shown.sizes) > 10


@pytest.mark.parametrize("scheme", get_args(Scheme))
def test_words_stand_out_from_the_page(look: Look, scheme: Scheme) -> None:
    for shown in look(1280, scheme):
        assert (_luminance(shown.ground) < 0.1) == (scheme == "dark")
        faint = [
            found
            for found in shown.inks
            if _contrast(found[0], shown.ground) < 4.5 and found[0] != "rgb(255, 255, 255)"
        ]
        assert (shown.page.name, faint) == (shown.page.name, [])  # white is on the blue of a matrix


def test_every_picture_is_there(look: Look, width: int) -> None:
    for shown in look(width):
        assert all(across > 0 and down > 0 for across, down in shown.boxes), shown.page.name
    without = {"long", "small.compare"}  # the small model has no learning curve
    assert {shown.page.stem for shown in look(width) if not shown.boxes} == without


def test_paper_is_light_and_cuts_nothing_off(browser: Browser, pages: Sequence[Path]) -> None:
    for page in pages:
        browser.open(page, PAPER, "dark", media="print")
        assert browser.evaluate(GROUND) == "rgb(255, 255, 255)"
        if page.stem != "long":  # whose forty columns no paper is wide enough for
            assert (page.name, browser.evaluate(FITS)) == (page.name, True)


def _luminance(colour: str) -> float:
    """Return the relative luminance of `rgb(1, 2, 3)`, as WCAG 2.2 defines it."""
    shares = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours: 1 of equal ones, 21 of black and white."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)
