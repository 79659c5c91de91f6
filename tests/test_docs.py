"""The documentation: its commands and settings work, links lead somewhere, and generated pages are current.

Each page is followed in its own folder, as a reader would: its files are written, its commands and its Python run in
order, and the shown output is compared with the printed one. Pages that create their own project begin with an empty
folder; the others begin with the pipelines of `stand_ins.toml`. Trainings end after two epochs.
"""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from gristmill.config import catalogue
from gristmill.config.candidates import preset
from gristmill.config.domains import DOMAINS
from gristmill.domains.tabular import settings as tabular
from gristmill.domains.vision import settings as vision
from gristmill.project.project import Project
from gristmill.settings.base import Settings
from gristmill.util.toml import toml_value
from helpers.reader import NOT_RUN, Done, Reader, reason_not_to_run, write_stand_ins
from helpers.support import Forked
from helpers.written import (
    DOCS,
    GENERATED,
    Command,
    anchors,
    blocks,
    commands,
    differences,
    links,
    pages,
    path_of,
    stale_numbers,
    text_of,
)

pytest_plugins = ["helpers.end_to_end"]

WRITTEN = [page for page in pages() if page not in GENERATED]
WALKED = [page for page in WRITTEN if any(block.language in ("console", "python") for block in blocks(page))]
TRIED_ELSEWHERE = {"how-to/python.md"}  # by its own tests

PROMOTE_WITH = 'python -c \'from gristmill import Project; Project.open(overrides={{"{0}": ["{1}"]}}).promote("{0}")\''
"""A command that promotes the model of a run with an assignment; the id of the run is not known before."""

BEFORE = {
    "how-to/check.md": ["gristmill run fashion_dense"],
    "how-to/retention.md": ["gristmill promote visitors"],
    "how-to/retraining.md": ["gristmill promote visitors"],
    "how-to/versions.md": [
        "gristmill promote visitors",
        "gristmill run visitors --set model.l2=0.1",
        PROMOTE_WITH.format("visitors", "model.l2=0.1"),
        "gristmill run visitors --set model.l2=0.2",
        PROMOTE_WITH.format("visitors", "model.l2=0.2"),
    ],
    "reference/tabular.md": ["gristmill run hello_line", "gristmill run flats"],
    "reference/text.md": ["gristmill run letters"],
}
"""Commands to run before those of a page."""


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, forked: Forked, prefect_api: str) -> Path:
    """The project of the stand-ins, in which `visitors` has been run. Tests copy it and do not write to it."""
    folder = tmp_path_factory.mktemp("stand_ins")
    shutil.copytree(ROOT / "data/samples", folder / "data/samples")
    write_stand_ins(folder)
    status, printed = Reader(folder, forked, prefect_api).run(Command("gristmill run visitors", ()))
    assert status == 0, printed
    return folder


@pytest.fixture(scope="session")
def done() -> Done:
    """Long commands that pages have run which begin with nothing."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in WALKED if page not in TRIED_ELSEWHERE])
def test_what_a_page_shows_works(
    page: str, tmp_path: Path, stand_ins: Path, forked: Forked, prefect_api: str, done: Done
) -> None:
    first = _first_command(page)
    begins_with_nothing = first[:2] == ["gristmill", "init"] or _creates_its_project(page)
    if begins_with_nothing:
        shutil.copytree(ROOT / "data/samples", tmp_path / "data/samples")
    else:
        shutil.copytree(stand_ins, tmp_path, symlinks=True, dirs_exist_ok=True)
    by_number = page.startswith("tutorials/")
    reader = Reader(tmp_path, forked, prefect_api, done if begins_with_nothing else None, by_number)
    for line in BEFORE.get(page, []):
        status, printed = reader.run(Command(line, ()))
        assert status == 0, printed

    found = [told for block in blocks(page) for told in reader.follow(block)]

    assert not found, "\n\n".join(found)
    if first[:2] == ["gristmill", "init"]:
        assert_better_than_the_simplest_baseline(reader.folder)


def assert_better_than_the_simplest_baseline(folder: Path) -> None:
    """Assert that the pipeline of `gristmill init`, with short trainings, beats a forecast or class without a model."""
    project = Project.open(folder)
    (pipeline,) = project.catalogue.pipelines.values()
    result = project.result(pipeline.name)
    headline = result.evaluation["headline"]
    scores = result.scores[headline["metric"]] * (-1 if headline.get("higher_is_better") else 1)
    simplest = next(name for name in ("naive", "mean", "majority") if name in scores.index)
    assert scores["model"] < scores[simplest]


def _first_command(page: str) -> list[str]:
    """Return the words of the first command of a page that is run; none without one."""
    return next((command.words for command in _commands(page) if not reason_not_to_run(command)), [])


def _creates_its_project(page: str) -> bool:
    return any(block.file == catalogue.PIPELINES_FILE for block in blocks(page))


def _commands(page: str) -> list[Command]:
    return [command for block in blocks(page) for command in commands(block)]


def test_output_may_differ_in_numbers_and_in_what_is_left_out() -> None:
    assert differences(("mae  12.9", "rmse 17"), "mae   9\nrmse 18.1\n") == []
    assert differences(("mae  12.9", "…"), "mae 9\nmape 3\n") == []
    assert differences(("report  …/small.html",), "report  /tmp/x/small.html\n") == []
    assert differences(("mae  12.9",), "mae 9\nmape 3\n") == ["+ mape #"]
    assert differences(("skill 1", "…"), "mae 9\n") == ["- skill #"]


def test_lines_come_in_order_but_those_of_a_table_of_scores() -> None:
    page = ("read", "scores     mae  rmse", "naive      2    4", "drift      3    5", "report  x.html")
    scores = "scores     mae  rmse\ndrift      4    5\nnaive      5    6\n"

    assert differences(page, f"read\n{scores}report  x.html\n") == []
    assert differences(page, f"{scores}read\nreport  x.html\n") != []
    assert differences(("written", "…", "next"), "next\nwritten\n") == ["- next"]


def test_numbers_that_a_shorter_training_has_too_are_compared() -> None:
    page = (
        "train nb_linear done in 3.7 s (14,261 parameters)",
        "train embedding done in 11.6 s (201,409 parameters, 8 epochs)",
        "scores     accuracy  log_loss",
        "model        0.7300    0.5449",
        "nb_linear    0.6900    0.5923",
    )
    printed = "\n".join(page).replace("8 epochs", "2 epochs").replace("0.5449", "0.6").replace("0.5923", "0.5925")
    assert stale_numbers(page, printed) == []
    assert stale_numbers(page, printed.replace("14,261", "14,262,000")) == [
        "- train nb_linear: [14261.0], not [14262000.0]"
    ]
    assert stale_numbers(page, printed.replace("0.6900", "0.7200")) == [
        "- nb_linear: [0.69, 0.5923], not [0.72, 0.5925]"
    ]


def test_lines_that_a_terminal_shows_only_for_a_while_are_left_out() -> None:
    printed = "prefect    starting\ntensorflow loading\nbacktest 1/2 started\ntrain      done in 3.4 s\n"
    assert differences(("train      done in 1.2 s",), printed) == []
    assert differences(("train      done in 1.2 s",), f"{printed}it has started\n") != []


def test_whether_a_model_beats_the_best_baseline_may_differ() -> None:
    shown = ("model   beats the best baseline by 0.3%: test mae 12.92, autoregression 12.96",)
    assert differences(shown, "model   worse than the best baseline by 2.0%: test mae 13.2, naive 12.9\n") == []
    assert differences(shown, "model   unknown\n") != []


def test_a_warning_about_a_perfect_score_may_be_missing_after_a_shorter_training() -> None:
    warning = "warning an accuracy of 1 on the test set is suspiciously high (best baseline: 0.792): check it"
    assert differences(("mae  12.9", warning), "mae  13\n") == []
    assert differences(("mae  12.9", "warning of something else"), "mae  13\n") == ["- warning of something else"]


def test_what_is_not_run_is_still_there() -> None:
    lines = [command.line for page in WRITTEN for command in _commands(page)]
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)] == []


@pytest.mark.parametrize("page", WRITTEN)
def test_no_command_stands_where_it_is_not_run(page: str) -> None:
    prompts = re.findall(r"^ *\$ .*", text_of(page), re.MULTILINE)
    assert len(prompts) == sum(len(commands(block)) for block in blocks(page) if block.language == "console")


@pytest.mark.slow
def test_the_options_of_what_is_not_run_exist() -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    not_run = [command for page in WRITTEN for command in _commands(page) if reason_not_to_run(command)]
    for command in (*not_run, *_workflow_commands()):
        words = [*itertools.dropwhile(lambda word: "=" in word, command.words)]  # variables stand before a program
        if words[0] == "make":
            assert words[1] in targets
        if words[0] in ("gristmill", "prefect"):
            told = _help((*itertools.takewhile(lambda word: not word.startswith("-"), words),))
            assert [word for word in words if word.startswith("--") and word not in told] == [], command.line


def _workflow_commands() -> Iterator[Command]:
    """Yield the commands of the workflows for GitHub that pages show."""
    for block in (block for page in WRITTEN for block in blocks(page) if block.language == "yaml"):
        for job in yaml.safe_load(block.text)["jobs"].values():
            yield from (Command(step["run"], ()) for step in job["steps"] if "run" in step)


@cache
def _help(words: tuple[str, ...]) -> str:
    program = Path(sys.executable).parent / words[0]
    done = subprocess.run([program, *words[1:], "--help"], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("page", [*pages()])
def test_a_link_within_the_project_leads_somewhere(page: str) -> None:
    lost = []
    for place in links(page):
        name, _, anchor = place.partition("#")
        file = (path_of(page).parent / name).resolve() if name else path_of(page)
        named = anchor and file.suffix == ".md"
        if not file.exists() or (named and anchor not in anchors(os.path.relpath(file, DOCS))):
            lost.append(place)
    assert lost == []


@pytest.mark.parametrize("page", [page for page in WRITTEN if any(block.language == "toml" for block in blocks(page))])
def test_the_settings_that_a_page_shows_hold(page: str, tmp_path: Path) -> None:
    """Check each block by itself; required keys that it does not show come from `LEAST`."""
    domains = _domains()
    for block in blocks(page):
        if block.language != "toml":
            continue
        raw = tomllib.loads(block.text)
        for name, pipeline in raw.get("pipelines", {}).items():
            domain = pipeline.setdefault("domain", domains.get(name))
            assert domain in DOMAINS, f"no page, no catalogue and no stand-in says of what domain {name} is"
            for table, least in LEAST[domain].items():
                pipeline.setdefault(table, least)
            pipeline["preprocess"] = LEAST[domain].get("preprocess", {}) | pipeline.get("preprocess", {})
        _write(raw, tmp_path / catalogue.PIPELINES_FILE)
        catalogue.load(tmp_path)


LEAST: dict[str, dict[str, Any]] = {
    "timeseries": {
        "source": {"kind": "csv", "path": "a.csv"},
        "ingest": {"time": "t", "target": "y"},
        "preprocess": {"history": 8},
        "model": {"kind": "linear"},
    },
    "tabular": {
        "source": {"kind": "csv", "path": "a.csv"},
        "ingest": {"target": "y", "numbers": "x"},
        "model": {"kind": "dense"},
    },
    "vision": {
        "source": {"kind": "folder", "path": "a"},
        "preprocess": {"size": 8},
        "model": {"kind": "dense"},
    },
    "text": {
        "source": {"kind": "csv", "path": "a.csv"},
        "model": {"kind": "embedding"},
    },
    "generation": {
        "source": {"kind": "files", "path": "a.txt"},
        "model": {"kind": "gru"},
    },
}
"""The required tables of a pipeline, by domain."""


def _domains() -> dict[str, str]:
    """Return the domain of every pipeline in the catalogue, the stand-ins and the pages."""
    texts = [(ROOT / catalogue.PIPELINES_FILE).read_text(), (ROOT / "tests/helpers/stand_ins.toml").read_text()]
    texts += [block.text for page in WRITTEN for block in blocks(page) if block.language == "toml"]
    tables = [tomllib.loads(text).get("pipelines", {}) for text in texts]
    return {name: table["domain"] for found in tables for name, table in found.items() if "domain" in table}


def _write(raw: dict[str, Any], file: Path) -> None:
    lines = []
    for name, pipeline in raw.get("pipelines", {}).items():
        lines += [f"[pipelines.{name}]", *(f"{key} = {toml_value(value)}" for key, value in pipeline.items())]
    for table in raw.keys() & {"defaults", "deploy", "notify", "runner"}:
        lines += [f"[{table}]", *(f"{key} = {toml_value(value)}" for key, value in raw[table].items())]
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("page", sorted(GENERATED))
def test_what_make_schema_generates_is_current(page: str) -> None:
    recipe = re.search(rf"^\t\$\(BIN\)/(.*) > docs/{page}$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe, "make does not generate it"
    command = f"{Path(sys.executable).parent}/{recipe[1]}"
    done = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == text_of(page), f"docs/{page} is not current: `make schema` makes it anew"


def test_the_modules_that_the_design_names_exist() -> None:
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", text_of("explanation/design.md")))
    packages = (ROOT / "gristmill", ROOT / "gristmill/domains/timeseries")
    assert len(named) > 20
    assert not [name for name in named if not any((package / name).is_file() for package in packages)]


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_table_of_presets_names_the_kinds_that_each_of_them_tries(domain: str) -> None:
    page = text_of("how-to/choose-a-model.md")
    rows = re.findall(rf"^\| \[.*\]\(\.\./reference/{domain}\.md#models\) (\|.*\|)$", page, re.MULTILINE)
    settings: list[dict[str, Settings]] = [{"preprocess": vision.Preprocess(size=(64, 64))}]
    if domain == "tabular":
        settings.append({"ingest": tabular.Ingest(target="y", task="classification", numbers=("x",))})
    for row, tables in zip(rows, settings, strict=True):
        named: set[str] = set()
        for name, cell in zip(("quick", "good", "best"), row.strip("|").split("|"), strict=True):
            named |= set(re.findall(r"`(\w+)`", cell)) - {"frozen"}  # which depends on the weights at hand
            assert named == {point["model"]["kind"] for point in preset(domain, name, tables)} - {"frozen"}


def test_every_setting_is_told_what_it_means() -> None:
    assert re.findall(r"^\|.*\|\s*\|$", text_of("reference/settings.md"), re.MULTILINE) == []
