"""Tables of the terminal: aligned, headings of two lines, columns that give way."""

from rich.text import Text

from gristmill.cli.text_table import TextColumn, lines


def column(heading: str, *cells: str, numbers: bool = False) -> TextColumn:
    return TextColumn(heading, [Text(cell) for cell in cells], numbers)


SCORES = [
    column("scores", "model", "exponential smoothing"),
    column("validation\nmae", "12.34", "13.00", numbers=True),
    column("test\nmae", "12.34", "–", numbers=True),
    column("about", "a long text of many words", "short"),
]


def shown(
    columns: list[TextColumn], width: int | None = None, give_way: list[tuple[str, int]] | None = None
) -> list[str]:
    return [line.plain for line in lines(columns, width, give_way or [])]


def test_numbers_are_aligned_on_the_right_below_headings_of_two_lines() -> None:
    assert shown(SCORES) == [
        "                  validation   test",
        "scores                   mae    mae  about",
        "model                  12.34  12.34  a long text of many words",
        "exponential smoothing  13.00      –  short",
    ]


def test_the_upper_line_of_a_heading_has_room() -> None:
    narrow = [
        column("a", "x"),
        column("validation\nmae", "1", numbers=True),
        column("best\nbaseline", "2", numbers=True),
    ]
    assert shown(narrow) == ["validation      best", "a      mae  baseline", "x        1         2"]


def test_a_column_is_cut_before_it_vanishes_and_only_as_far_as_it_must() -> None:
    steps = [("about", 8), ("about", 0), ("test\nmae", 0)]
    assert [shown(SCORES, width, steps)[2] for width in (62, 50, 45, 44, 34, 5)] == [
        "model                  12.34  12.34  a long text of many words",
        "model                  12.34  12.34  a long text …",
        "model                  12.34  12.34  a long …",
        "model                  12.34  12.34",
        "model                  12.34",
        "model                  12.34",
    ]


def test_a_column_that_was_cut_grows_again_when_another_has_vanished() -> None:
    columns = [column("a", "x" * 10), column("b", "y" * 10), column("c", "z" * 10)]
    assert shown(columns, 20, [("c", 6), ("b", 0)])[1] == "xxxxxxxxxx  zzzzzzz…"


def test_a_column_without_content_is_left_out_but_not_of_a_table_without_rows() -> None:
    assert shown([column("a", "x"), column("b", ""), column("c", "y")]) == ["a  c", "x  y"]
    assert shown([column("a"), column("b")]) == ["a  b"]


def test_wide_characters_are_counted_as_the_terminal_shows_them() -> None:
    assert shown([column("a", "黒点", "x"), column("b", "1", "2")]) == ["a     b", "黒点  1", "x     2"]
