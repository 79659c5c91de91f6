"""What a shell completes: names of pipelines, stages and settings, from `pipelines.toml` alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.support import Command

HEAVY = ("keras", "matplotlib", "numpy", "pandas", "prefect", "pyarrow", "tensorflow")

pytest_plugins = ["helpers.end_to_end"]

SECOND = '\n[pipelines.smooth]\ndomain = "tabular"\nsource = { kind = "inline", x = [1.0, 2.0], y = [1.0, 2.0] }\n'
SECOND += 'ingest = { target = "y", numbers = "x" }\nmodel = { kind = "dense" }\n'


@pytest.fixture
def two(project: Path) -> Path:
    """The small project with a second pipeline, `smooth`."""
    with (project / "pipelines.toml").open("a") as file:
        file.write(SECOND)
    return project


def ask(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Have the command asked as bash asks it: what can stand at the end of a line?"""
    monkeypatch.setenv("_GRISTMILL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("gristmill run s", ["small", "smooth"]),
        ("gristmill run small smo", ["smooth"]),
        *((f"gristmill {word} sma", ["small"]) for word in ("plan", "show", "history", "report", "models", "promote")),
        *((f"gristmill {word} sma", ["small"]) for word in ("retrain", "sweep", "predict", "doctor", "schedule")),
        ("gristmill run small --refresh e", ["evaluate", "export"]),
        ("gristmill run smooth --refresh re", []),
        ("gristmill plan small --set preprocess.ho", ["preprocess.horizon="]),
        ("gristmill plan --set train.epochs=5 smooth --set source.", ["source.kind=", "source.x=", "source.y="]),
        ("gristmill plan --set train.", []),  # of which pipeline?
        ("gristmill promote small ", []),
        ("gristmill run elsewhere", []),
        ("gristmill init new --domain t", ["tabular", "text", "timeseries"]),
    ],
)  # fmt: skip
def test_a_line_is_completed(
    two: Path, command: Command, monkeypatch: pytest.MonkeyPatch, line: str, completed: list[str]
) -> None:
    ask(monkeypatch, line)

    said = command()

    assert (said.status, said.err) == (0, "")
    assert sorted(said.out.split()) == sorted(completed)


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        *(("gristmill run s", broken) for broken in ("[pipelines", "pipelines = 3", None)),
        ("gristmill run small --refresh e", "[pipelines.small]\ndomain = 3\n"),
        ("gristmill run small --set t", "[pipelines.small]\ndomain = 3\n"),
        ("gristmill run small --set t", None),
    ],
)
def test_without_a_sound_file_nothing_is_completed_and_nothing_said(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch, broken: str | None, line: str
) -> None:
    file = project / "pipelines.toml"
    file.unlink() if broken is None else file.write_text(broken)
    ask(monkeypatch, line)

    said = command()

    assert (said.status, said.out.strip(), said.err) == (0, "", "")


def test_a_name_is_completed_although_its_table_is_invalid(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pipelines.toml").write_text("[pipelines]\nsmall = 3\n[pipelines.smooth]\ndomain = 3\n")
    ask(monkeypatch, "gristmill run s")

    assert sorted(command().out.split()) == ["small", "smooth"]


@pytest.mark.parametrize(
    ("line", "completed", "avoided"),
    [("gristmill run small --set train.ep", "train.epochs=", ()), ("gristmill run s", "small", ("config.catalogue",))],
)
def test_to_complete_a_line_none_of_the_heavy_libraries_is_imported(
    project: Path, monkeypatch: pytest.MonkeyPatch, line: str, completed: str, avoided: tuple[str, ...]
) -> None:
    ask(monkeypatch, line)
    script = (
        "import atexit, sys\n"
        f"heavy = {HEAVY + tuple(f'gristmill.{module}' for module in avoided)}\n"
        "atexit.register(lambda: sys.stderr.write(','.join(name for name in heavy if name in sys.modules)))\n"
        "sys.argv[0] = 'gristmill'\n"
        "from gristmill.cli.app import main\n"
        "main()\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{completed}\n", "")
