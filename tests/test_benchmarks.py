"""The benchmarks: every script starts, results.md is rewritten with care, and the README's figures stand in it."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import ModuleType

import pytest

from conftest import ROOT

FOLDER = ROOT / "benchmarks"
SCRIPTS = [path for path in sorted(FOLDER.glob("*.py")) if "\ndef main() -> None:" in path.read_text()]

# In one process, so that TensorFlow, which most of them load, is loaded once.
HELP = """
import contextlib, io, runpy, sys
for script in sys.argv[1:]:
    sys.argv = [script, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            assert not end.code, script
    assert printed.getvalue().startswith("usage: "), script
    print(script)
"""

FIGURE = re.compile(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?![\w-]|[.,]\d)")
UNITS = re.compile(r"\d (?:s|ms|times|MiB|GiB)\b")


@pytest.fixture(autouse=True)
def _benchmarks_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def measuring() -> ModuleType:
    return importlib.import_module("measuring")


@pytest.mark.slow
def test_every_script_starts() -> None:
    assert {"overhead.py", "growth.py", "quality.py", "peers.py"} <= {script.name for script in SCRIPTS}
    command = [sys.executable, "-c", HELP, *map(str, SCRIPTS)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(FOLDER), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [*map(str, SCRIPTS)]


def test_programs_of_the_compared_tools_are_python() -> None:
    projects = importlib.import_module("peers_projects")
    for source in (projects.WIDTH, projects.WORK, projects.METAFLOW, projects.MODEL):
        ast.parse(source)


def passages(readme: str) -> list[str]:
    """Return the passages on scores and speed: paragraphs and points; a table belongs to the line that leads to it."""
    (section,) = re.findall(r"^## How good, how fast\n(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    joined = re.sub(r":\n\n\|", ":\n|", section)
    return [passage for passage in re.split(r"\n\n|\n(?=- )", joined) if passage.strip()]


def figures(text: str) -> list[str]:
    """Return the numbers of a text, but those in code, in places that are linked, and within words as in 20-10-1."""
    return [found.replace(",", "") for found in FIGURE.findall(re.sub(r"`[^`]*`|\]\([^)]*\)", "", text))]


def linked(passage: str) -> list[str]:
    return re.findall(r"\(benchmarks/results\.md#([\w-]+)\)", passage)


def unfounded(passage: str, results: str) -> list[str]:
    """Return the figures of a passage that do not stand, rounded, in the sections of results.md that it links to."""
    by_place = {
        re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")): text
        for heading, text in measuring().sections(results).items()
    }
    measured = [Decimal(found) for place in linked(passage) for found in figures(by_place[place])]

    def stands(figure: str) -> bool:
        exact = Decimal(figure)
        return any(exact == found.quantize(exact, ROUND_HALF_UP) for found in measured)

    return [figure for figure in figures(passage) if not stands(figure)]


@pytest.mark.parametrize("passage", passages((ROOT / "README.md").read_text()))
def test_the_readmes_figures_stand_in_the_results(passage: str) -> None:
    assert unfounded(passage, (FOLDER / "results.md").read_text()) == []


def test_the_readme_tells_of_speed_and_memory_nowhere_else() -> None:
    readme = (ROOT / "README.md").read_text()
    elsewhere = re.sub(r"^## How good, how fast\n.*?^## |^```.*?^```", "", readme, flags=re.MULTILINE | re.DOTALL)
    assert UNITS.findall(elsewhere) == []
    assert UNITS.search("\n".join(passages(readme)))


@pytest.mark.parametrize(
    ("told", "missing"),
    [
        ("1.3 s", []),
        ("1.25 s", []),
        ("1.2 s and 4 MiB", ["1.2"]),
        ("1,300 rows of `2 x 3`, 20-10-1", ["1300"]),
    ],
)
def test_a_figure_that_was_not_measured_is_found(told: str, missing: list[str]) -> None:
    results = "# Results\n\n## Speed, told\n\n| 1.25 | 4.3 |\n\n## Other\n\n1.2\n"
    assert unfounded(f"[It takes](benchmarks/results.md#speed-told) {told}", results) == missing


def test_a_section_is_rewritten_and_the_rest_stays() -> None:
    replaced = measuring().replaced
    text = "# Results\n\n## One\n\nbefore\n\n<!-- measured -->\n\nold\n\n<!-- end -->\n\nafter\n\n## Two\n\nprose\n"

    assert replaced(text, "One", ["new"]) == text.replace("old", "new")
    assert replaced(text, "Two", ["new"]) == text + "\n<!-- measured -->\n\nnew\n\n<!-- end -->\n"
    assert replaced(text, "Three", ["new"]) == text + "\n## Three\n\n<!-- measured -->\n\nnew\n\n<!-- end -->\n"
    again = replaced(replaced(text, "Two", ["new"]), "Two", ["newer"])
    assert again == text + "\n<!-- measured -->\n\nnewer\n\n<!-- end -->\n"


def test_the_glance_is_that_of_the_sections() -> None:
    text = (FOLDER / "results.md").read_text()
    glance = importlib.import_module("glance")
    lines = measuring().table(["what", "measured", "section"], list(glance.rows(text)))
    assert glance.replaced(text, glance.HEADING, lines) == text


def test_the_goals_are_compared_with_the_figures_of_the_sections() -> None:
    goals, text = importlib.import_module("goals"), measuring().RESULTS.read_text()
    assert goals.replaced(text, goals.HEADING, goals.compared(text)) == text


@pytest.mark.parametrize(
    ("bounds", "figures", "verdict"),
    [
        ({"must": "<= 0.5", "aim": "<= 0.4"}, ["0.40"], "aim reached"),
        ({"must": "<= 0.5", "aim": "<= 0.4"}, ["+0.45"], "met"),
        ({"must": ">= 36,000"}, ["54,786"], "met"),
        ({"must": ">= 100"}, ["100", "99"], "**missed**"),
        ({"must": "75..85", "aim": "78..82"}, ["83.3", "80.5"], "met"),
        ({"must": "none"}, ["grunfeld"], "**missed**"),
        ({"aim": ">= 2"}, ["-1.8"], "aim missed"),
    ],
)
def test_a_goal_is_met_if_all_of_its_figures_are(bounds: dict[str, str], figures: list[str], verdict: str) -> None:
    goal = importlib.import_module("goals").Goal("speed", "Speed", **bounds)
    assert goal.verdict(figures) == verdict


def test_a_goal_is_read_from_the_table_that_has_its_row_and_its_column() -> None:
    goals = importlib.import_module("goals")
    section = "| row | n | s |\n|---|---:|---:|\n| all | 2 | 9.5 |\n\n| row | s |\n|---|---:|\n| some | 1,000, 7 |\n"

    assert goals.Goal("speed", "Speed", row="all | 2", column="s").figures(section) == ["9.5"]
    assert goals.Goal("speed", "Speed", row="some", column="s").figures(section) == ["1,000"]
    assert goals.Goal("speed", "Speed", pattern=r"(\d), (\d)").figures("3, 4") == ["3", "4"]
    with pytest.raises(SystemExit, match=r"results\.md, Speed: found no figure for the goal: speed"):
        goals.Goal("speed", "Speed", row="none", column="s").figures(section)


def test_the_history_compares_ratios_of_the_results() -> None:
    history = importlib.import_module("history")
    text = (FOLDER / "results.md").read_text()
    now = history.ratios(text)
    assert set(now) == set(history.RATIOS)
    assert all(0 < ratio < 10 for ratio in now.values())

    slower = history.ratios(re.sub(r"(\| `gristmill ls` \|) [\d.]+", r"\1 9.0", text))
    assert {what for what, *_, word in history.compared(slower, now) if word == "slower"} == {
        "ls, to importing Prefect"
    }
    assert not any(row[-1] for row in history.compared(now, {}))


def test_the_memory_of_all_processes_of_a_tree_is_added_up() -> None:
    held = "x = b'x' * (100 << 20)"
    child = f"{held}; print('ready', flush=True); input()"
    parent = f"import subprocess, sys; {held}; subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        resident = measuring().resident(process.pid)
        process.communicate("\n")
    assert resident > 200 << 20


def test_a_process_is_measured_with_what_it_started(tmp_path: Path) -> None:
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = b\"x\" * (100 << 20)']); print('done')"
    done = measuring().process([sys.executable, "-c", parent], tmp_path)
    assert (done.printed, done.peak > 100, done.ended > done.began) == ("done\n", True, True)

    with pytest.raises(SystemExit, match="exit 3"):
        measuring().process([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_columns_of_numbers_stand_on_the_right() -> None:
    assert measuring().table(["what", "s"], [("a", "1.5"), ("b", "–")]) == [
        "| what | s |",
        "|---|---:|",
        "| a | 1.5 |",
        "| b | – |",
    ]


def test_competitions_are_compared_with_the_published_models() -> None:
    competitions = importlib.import_module("competitions")
    known = competitions.published()
    naive = known[known["model"] == "seasonal_naive"].set_index("dataset")
    results = {
        name: competitions.Figures(0.5 * naive["mase"][name], naive["mase"][name], None, 0.8, 9.0, "", "", "")
        for name in naive.index
    }

    found = competitions.relative(known, results)
    shown = list(competitions.rows(results))

    assert len(known) == 21 * 8
    assert found["seasonal_naive"] == pytest.approx((1.0, 1.0))
    assert found["tirex"] == pytest.approx((0.821, 0.652), abs=5e-4)
    assert found[competitions.OURS] == (pytest.approx(0.5), None)
    assert found[competitions.BEST] == pytest.approx((0.804, 0.625), abs=5e-4)
    assert [row[0] for row in shown[8:11]] == [competitions.OURS, competitions.BEST, "tirex"]  # the best first
    assert max(map(len, competitions.table(competitions.COLUMNS, shown))) <= 80


def test_pipelines_of_the_competitions_are_as_init_wrote_them() -> None:
    competitions = importlib.import_module("competitions")
    pipelines = tomllib.loads(competitions.PIPELINES.read_text("utf-8"))["pipelines"]

    assert sorted(pipelines) == sorted(competitions.horizons())
    for name, horizon in competitions.horizons().items():
        tables = pipelines[name]
        assert tables["source"]["path"] == f"{name}.csv"  # no folder of a machine
        assert tables["preprocess"]["split"] == "per_series"
        assert {tables["preprocess"][key] for key in ("horizon", "test")} == {horizon}
        assert tables["model"] == {"kind": "auto", "preset": "good"}
        assert tables.keys() <= {"domain", "description", "source", "ingest", "preprocess", "model", "backtest"}
