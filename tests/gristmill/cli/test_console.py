"""Width of messages, and tables of the terminal: aligned, headings of two lines, columns that shrink or disappear."""

import os
import pty
from collections.abc import Callable

import pytest

from gristmill.cli import console

Column = tuple[str, list[str]]
PrintLines = Callable[..., list[str]]

SCORES: list[Column] = [
    ("scores", ["model", "exponential smoothing"]),
    ("validation\nmae", ["12.34", "13.00"]),
    ("test\nmae", ["12.34", "–"]),
    ("about", ["a long text of many words", "short"]),
]
NUMBERS = ("validation\nmae", "test\nmae", "best\nbaseline")


def test_a_message_to_a_terminal_of_unknown_width_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.delenv("COLUMNS", raising=False)

    with os.fdopen(theirs, "w") as terminal:
        assert console.terminal_width(terminal) is None
        assert console.wrapped("word " * 50, "", terminal) == "word " * 50
    os.close(ours)


@pytest.fixture
def print_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> PrintLines:
    """Return the lines of a table at a width of the terminal; None stands for no terminal."""

    def lines(
        columns: list[Column], width: int | None = None, shrink: list[tuple[str, int]] | None = None
    ) -> list[str]:
        monkeypatch.setattr(console, "terminal_width", lambda: width)
        console.print_columns(columns, NUMBERS, shrink or [])
        return capsys.readouterr().out.splitlines()

    return lines


def test_numbers_are_aligned_on_the_right_below_headings_of_two_lines(print_lines: PrintLines) -> None:
    assert print_lines(SCORES) == [
        "                       validation   test",
        "scores                        mae    mae  about",
        "model                       12.34  12.34  a long text of many words",
        "exponential smoothing       13.00      –  short",
    ]


def test_a_table_is_as_wide_as_its_headings(print_lines: PrintLines) -> None:
    narrow = [("a", ["x"]), ("validation\nmae", ["1"]), ("best\nbaseline", ["2"])]
    assert print_lines(narrow) == ["   validation      best", "a         mae  baseline", "x           1         2"]


def test_a_column_is_cut_before_it_vanishes_and_only_as_far_as_it_must(print_lines: PrintLines) -> None:
    steps = [("about", 8), ("about", 0), ("test\nmae", 0)]
    assert [print_lines(SCORES, width, steps)[2] for width in (67, 55, 50, 49, 39, 5)] == [
        "model                       12.34  12.34  a long text of many words",
        "model                       12.34  12.34  a long text …",
        "model                       12.34  12.34  a long …",
        "model                       12.34  12.34",
        "model                       12.34",
        "model                       12.34",
    ]


def test_a_column_that_was_cut_grows_again_when_another_has_vanished(print_lines: PrintLines) -> None:
    columns = [("a", ["x" * 10]), ("b", ["y" * 10]), ("c", ["z" * 10])]
    assert print_lines(columns, 20, [("c", 6), ("b", 0)])[1] == "xxxxxxxxxx  zzzzzzz…"


def test_a_column_without_content_is_left_out_but_not_of_a_table_without_rows(print_lines: PrintLines) -> None:
    assert print_lines([("a", ["x"]), ("b", [""]), ("c", ["y"])]) == ["a  c", "x  y"]
    assert print_lines([("a", []), ("b", [])]) == ["a  b"]


def test_wide_characters_are_counted_as_the_terminal_shows_them(print_lines: PrintLines) -> None:
    assert print_lines([("a", ["黒点", "x"]), ("b", ["1", "2"])]) == ["a     b", "黒点  1", "x     2"]


def test_a_table_wider_than_the_console_is_neither_cut_nor_wrapped(print_lines: PrintLines) -> None:
    assert print_lines([("a", ["x" * 300]), ("b", ["y" * 300])])[1] == f"{'x' * 300}  {'y' * 300}"


def test_markup_in_a_cell_is_shown_as_it_is(print_lines: PrintLines) -> None:
    assert print_lines([("[b]", ["[red] :id: [/]"])]) == ["[b]", "[red] :id: [/]"]
