"""Known answers: the same as the normal path's after any edit, or none."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import ROOT
from gristmill.cli import app, observation
from gristmill.cli.known_answer import answer_file, print_known_answer
from helpers.support import published

pytest_plugins = ["helpers.end_to_end"]

Answer = Callable[..., str | None]


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Set the words of this process, and return the file of their answer."""

    def given(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["gristmill", *words])
        path = answer_file()
        assert path
        return path

    return given


@pytest.fixture
def known(words: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> Answer:
    """Return the known answer to a command; None without one."""

    def call(*given: str) -> str | None:
        capsys.readouterr()
        return capsys.readouterr().out if print_known_answer(words(*given)) else None

    return call


@pytest.fixture
def normal(words: Callable[..., str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Return what a command prints on the normal path, which keeps its answer."""
    monkeypatch.setattr(observation, "MIN_AGE_NS", -(10**18))  # files of any age
    monkeypatch.setattr(app, "on_api_lost", lambda _: None)  # which would end this process

    def call(*given: str) -> str | None:
        capsys.readouterr()
        with pytest.raises(SystemExit), observation.observed(words(*given)):
            app.main()
        return capsys.readouterr().out

    call("ls")  # sets variables, which a process of its own would do after it has looked for its answer
    return call


def _append(file: Path, more: bytes) -> None:
    if file.exists():
        file.write_bytes(file.read_bytes() + more)


def _edits(project: Path) -> list[Callable[[], object]]:
    """Return edits of a finished project; most change what `plan` or `ls` print."""
    store, source, file = project / "data/store", project / "series.csv", project / "pipelines.toml"
    (table,) = (project / "data/store").glob("ingest/*/*/series.parquet")
    manifest, (record,) = published(store, "export")[0] / "manifest.json", (store / "runs/small").glob("*.json")
    aside, other = project / "aside", "\n[pipelines.other]\n" + file.read_text().split("[pipelines.small]\n")[1]
    return [
        lambda: _append(source, b"2020-01,44.1\n"),
        lambda: source.touch() if source.exists() else None,
        lambda: source.rename(aside) if source.exists() else aside.rename(source),
        lambda: file.write_text(file.read_text().replace("history = 12", "history = 13")),
        lambda: file.write_text(file.read_text().replace("history = 13", "history = 12")),
        lambda: file.write_text(file.read_text() + "" if "other" in file.read_text() else other),
        lambda: _append(table, b"\0"),
        lambda: table.write_bytes(table.read_bytes().rstrip(b"\0")),
        lambda: manifest.rename(store / "kept") if manifest.exists() else (store / "kept").rename(manifest),
        lambda: record.rename(store / "record") if record.exists() else (store / "record").rename(record),
        lambda: shutil.copy(record, record.with_name("20990101.json")) if record.exists() else None,
        lambda: (project / "schemas").mkdir(exist_ok=True),
        lambda: (
            (project / "schemas/small.toml").write_text("[columns.sunspots]\nmin = 0\n")
            if (project / "schemas").is_dir()
            else None
        ),
        lambda: (project / "schemas/small.toml").unlink(missing_ok=True),
    ]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_known_answer_is_that_of_the_normal_path_after_random_edits(
    finished: Path, known: Answer, normal: Answer, seed: int
) -> None:
    draw, edits, repeated = np.random.default_rng(seed), _edits(finished), 0
    commands = [("plan", "small"), ("ls",)]
    for command in commands:
        expected = normal(*command)
        assert known(*command) == expected
    for _ in range(40):
        if draw.random() < 0.4:
            edits[draw.integers(len(edits))]()
        command = commands[draw.integers(len(commands))]
        answer = known(*command)
        assert answer in (None, normal(*command))
        repeated += answer is not None
    assert repeated > 0


def test_what_a_source_does_not_read_yet_is_noticed_when_it_appears(
    finished: Path, known: Answer, normal: Answer
) -> None:
    file, series = finished / "pipelines.toml", finished / "series.csv"
    file.write_text(file.read_text().replace('path = "series.csv"', 'path = "series"'))
    folder = finished / "series"
    folder.mkdir()
    shutil.copy(series, folder / "first.csv")
    (folder / "second.csv").symlink_to(finished / "later.csv")
    expected = normal("plan", "small")
    assert known("plan", "small") == expected

    shutil.copy(series, finished / "later.csv")
    assert known("plan", "small") is None

    normal("plan", "small")
    (finished / "schemas").mkdir()
    (finished / "schemas/typo.toml").write_text("")
    assert known("plan", "small") is None


def test_the_answer_of_a_pattern_with_a_name_after_a_wildcard_is_not_kept(
    finished: Path, words: Callable[..., str], normal: Answer
) -> None:
    file = finished / "pipelines.toml"
    file.write_text(file.read_text().replace('path = "series.csv"', 'path = "s*/series.csv"'))
    (finished / "station").mkdir()
    shutil.copy(finished / "series.csv", finished / "station")

    normal("plan", "small")

    assert not Path(words("plan", "small")).exists()


def test_another_environment_folder_or_terminal_has_another_answer(
    finished: Path, words: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [words("plan", "small")]
    monkeypatch.setenv("GRISTMILL_DATA", str(finished))
    files.append(words("plan", "small"))
    monkeypatch.setenv("COLUMNS", "80")
    files.append(words("plan", "small"))
    (finished / "inner").mkdir()
    monkeypatch.chdir(finished / "inner")
    files.append(words("plan", "small"))
    monkeypatch.setenv("SHLVL", "7")  # which every shell changes

    assert words("plan", "small") == files[-1]
    assert len(set(files)) == len(files)


def test_a_damaged_answer_is_not_printed(
    finished: Path, words: Callable[..., str], known: Answer, normal: Answer
) -> None:
    expected, file = normal("ls"), Path(words("ls"))
    assert known("ls") == expected

    file.write_bytes(file.read_bytes().replace(b"small", b"large"))

    assert known("ls") is None


def test_an_answer_that_depends_on_the_time_or_on_a_process_is_not_kept(
    finished: Path, words: Callable[..., str], normal: Answer
) -> None:
    file = finished / "pipelines.toml"
    file.write_text(file.read_text() + '\n[pipelines.small.freshness]\nmax_age_of_data = "90000 days"\n')

    normal("ls")

    assert not Path(words("ls")).exists()


@pytest.mark.slow
def test_closed_and_full_outputs_are_as_on_the_normal_path(finished: Path, gristmill: Callable[..., Any]) -> None:
    command = f"{sys.executable} -m gristmill ls"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    time.sleep(2.1)  # younger files may change without a trace

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=False)

    assert shell(command).returncode == 0
    assert shell(f"{command} 2>&-").returncode == 0
    assert shell(f"{command} > /dev/full").stderr.startswith("error: [Errno 28]")


@pytest.mark.slow
def test_a_run_with_nothing_to_do_loads_no_library_once_its_answer_is_known(
    finished: Path, gristmill: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    expected = "small: all fresh, nothing to do\n"
    assert gristmill("run", "small").stdout == expected  # may write byte code
    time.sleep(2.1)  # younger files may change without a trace

    done = gristmill("run", "small", PYTHONPROFILEIMPORTTIME="1")
    assert (done.returncode, done.stdout) == (0, expected)
    assert "pydantic" in done.stderr  # another environment
    done = gristmill("run", "small", PYTHONPROFILEIMPORTTIME="1")
    assert (done.returncode, done.stdout) == (0, expected)
    assert "gristmill.cli.known_answer" in done.stderr
    assert not {"pydantic", "typer", "rich", "typing"} & set(done.stderr.replace("|", " ").split())

    answer = max((finished / "data/store/answers").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    looked_at = {line.partition("\t")[2] for line in answer.read_text().splitlines()}
    assert looked_at >= {str(ROOT / file) for file in ("gristmill/util/table_io.py", "gristmill/cli/output.py")}
    assert looked_at >= {str(finished / "series.csv"), str(finished / "data/store/runs/small")}
