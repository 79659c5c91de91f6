"""`gristmill generate`: what it prints and when, and what it refuses before anything is loaded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.project.project import Project
from helpers.support import Command

pytest_plugins = ["helpers.end_to_end"]


def test_a_pipeline_that_writes_no_text_is_refused(project: Path, command: Command) -> None:
    said = command("generate", "small", "--prompt", "To be")

    assert (said.status, said.out) == (2, "")
    assert said.err == (
        "error: small is a timeseries pipeline, whose model generates no text. Pipelines that do: none.\n"
    )


def test_an_unknown_pipeline_is_refused(project: Path, command: Command) -> None:
    said = command("generate", "smal")

    assert said.status == 2
    assert said.err.startswith("error: ")
    assert "Did you mean 'small'?" in said.err


def test_each_piece_is_shown_before_the_next_one_is_written(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def generate(
        self: Project, name: str, prompt: str = "", version: int | None = None, **options: float
    ) -> Iterator[str]:
        assert (name, version, options) == (
            "small",
            None,
            {"length": 2, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "seed": 4},
        )
        for piece in (prompt, " or", " not"):
            yield piece
            shown.append(capsys.readouterr().out)

    monkeypatch.setattr(Project, "generate", generate)

    numbers = ["--length", "2", "--temperature", ".5", "--top-k", "3", "--top-p", ".9", "--seed", "4"]
    said = command("generate", "small", "--prompt", "To be", *numbers)

    assert (said.status, said.out, said.err) == (0, "\n", "")
    assert shown == ["To be", " or", " not"]


def test_an_interrupt_ends_the_line_and_keeps_what_was_written(
    project: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(
        self: Project, name: str, prompt: str = "", version: int | None = None, **options: float
    ) -> Iterator[str]:
        yield prompt
        raise KeyboardInterrupt

    monkeypatch.setattr(Project, "generate", generate)

    said = command("generate", "small", "--prompt", "To be")

    assert (said.status, said.out) == (130, "To be\n")
    assert said.err.splitlines()[-1] == "interrupted"
