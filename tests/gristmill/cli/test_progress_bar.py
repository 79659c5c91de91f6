"""What a command shows while it works, on a terminal and elsewhere."""

import io
import logging
import re
import time

import pytest
from rich.console import Console

from gristmill.cli import console, progress_bar
from gristmill.training import progress
from gristmill.training.progress import Epoch


@pytest.mark.parametrize(
    ("of", "told"), [(1, [1]), (3, [1, 2, 3]), (25, [1, *range(2, 25, 2), 25]), (100, [1, *range(10, 101, 10)])]
)
def test_without_a_terminal_training_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, of: int, told: list[int]
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    console.set_up(logging.INFO, debug=False)
    with progress_bar.working():
        for number in range(1, of + 1):
            progress.report_epoch("small", Epoch(number, of, 0.5, 0.25 if number > 1 else None))
    out, err = capsys.readouterr()
    assert out == ""
    assert [int(line.split()[2]) for line in err.splitlines()] == told
    assert err.splitlines()[0] == f"train      epoch 1 of {of}, loss 0.5"
    assert all(line.endswith("loss 0.5, validation 0.25") for line in err.splitlines()[1:])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 80 columns is sent in place of standard error."""
    sent = io.StringIO()
    shown = Console(file=sent, force_terminal=True, force_interactive=True, width=80, height=24)
    monkeypatch.setattr("gristmill.cli.console.err", lambda: shown)
    monkeypatch.setattr(progress_bar, "_is_drawn", lambda: True)
    console.set_up(logging.INFO, debug=False)
    return sent


def lines_of(sent: io.StringIO) -> list[str]:
    """The lines that a terminal was sent, one after the other, without their colours."""
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", sent.getvalue())
    return [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def test_without_a_terminal_work_is_a_line_before_it_begins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console.set_up(logging.INFO, debug=False)
    with progress_bar.working("data", "reading"):
        progress.report_work("prefect", "starting")
        progress.report_work("predict", logged=False)
        progress.report_work("train")
        assert capsys.readouterr().err.splitlines() == ["prefect    starting", "train      started"]
    progress.report_work("export")
    assert capsys.readouterr() == ("", "")


def test_quiet_tells_of_no_work(capsys: pytest.CaptureFixture[str]) -> None:
    console.set_up(logging.WARNING, debug=False)
    with progress_bar.working():
        progress.report_work("train")
        progress.report_epoch("small", Epoch(1, 1, 0.5, None))
    console.set_up(logging.INFO, debug=False)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_one_line_shows_the_stage_then_its_epochs_and_vanishes(terminal: io.StringIO) -> None:
    with progress_bar.working():
        assert terminal.getvalue() == ""  # nothing is drawn before anything is to be shown
        progress.report_work("train")
        assert lines_of(terminal)[-1].endswith("train      started")
        progress.report_epoch("small", Epoch(1, 2, 12680.4, 0.25))
        assert re.search(r"train .* 1/2 loss 12,680, validation 0.25", lines_of(terminal)[-1])
        progress.report_work("evaluate")
        assert lines_of(terminal)[-1].endswith("evaluate   started")
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is erased, and nothing comes after it


def test_what_is_quick_as_a_rule_is_shown_once_it_takes_long(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress_bar.working("data", "reading"):
        pass
    assert terminal.getvalue() == ""
    monkeypatch.setattr(progress_bar, "PATIENCE", 0.0)
    with progress_bar.working("data", "reading"):
        deadline = time.monotonic() + 60
        while not terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.005)
    assert lines_of(terminal)[0].endswith("data       reading")


def test_something_else_that_was_shown_is_not_hidden_by_what_takes_long(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = progress_bar._Line()
    line.work("tensorflow", "loading", logged=True)
    line.work_late("data", "reading")
    line.close()
    assert not any("data" in shown for shown in lines_of(terminal))
