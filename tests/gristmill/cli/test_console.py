"""Width of messages."""

import os
import pty

import pytest

from gristmill.cli import console


def test_a_message_to_a_terminal_of_unknown_width_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.delenv("COLUMNS", raising=False)

    with os.fdopen(theirs, "w") as terminal:
        assert console.terminal_width(terminal) is None
        assert console.wrapped("word " * 50, "", terminal) == "word " * 50
    os.close(ours)
