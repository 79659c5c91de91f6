"""Errors: one tree, every branch of it public, each with the exit status it is answered with."""

import ast
import re

import pytest

from conftest import ROOT
from gristmill import errors
from gristmill.errors import GristmillError, RequestError, WorkError, count_of, short_repr

CLASSES: dict[str, type[GristmillError]] = {
    name: value for name, value in vars(errors).items() if isinstance(value, type)
}


def test_all_names_every_error_in_order() -> None:
    assert errors.__all__ == sorted([*CLASSES, "count_of", "short_repr"])
    assert all(issubclass(kind, GristmillError) for kind in CLASSES.values())


def test_the_tree_in_the_docstring_is_the_tree_of_the_code() -> None:
    drawn: dict[str, str] = {}
    branch = {0: "GristmillError"}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^([│ ]*)[├└]── (\w+)", line):
            depth, name = len(found[1]) // 4 + 1, found[2]
            branch[depth] = name
            drawn[name] = branch[depth - 1]
    assert drawn == {name: kind.__mro__[1].__name__ for name, kind in CLASSES.items() if kind is not GristmillError}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_only_a_wrong_request_exits_with_2(name: str) -> None:
    assert CLASSES[name].exit_status == (2 if issubclass(CLASSES[name], RequestError) else 1)


def test_a_request_is_not_work() -> None:
    assert not issubclass(RequestError, WorkError)
    assert not issubclass(WorkError, RequestError)


@pytest.mark.parametrize(("received", "text"), [("many", "'many'"), (1.5, "1.5"), (None, "None"), ("a\nb", "'a\\nb'")])
def test_a_short_value_is_shown_as_it_is(received: object, text: str) -> None:
    assert short_repr(received) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [(58, f"'{'x' * 58}'"), (59, f"'{'x' * 56}..."), (5_000_000, f"'{'x' * 56}...")],
    ids=["just short enough", "just too long", "megabytes"],
)
def test_a_long_value_is_shown_by_its_first_characters(length: int, text: str) -> None:
    assert short_repr("x" * length) == text
    assert len(text) == 60


def test_a_value_is_shown_as_long_as_asked_for() -> None:
    assert short_repr("abcdefghij", max_length=8) == "'abcd..."
    assert short_repr("abcdef", max_length=8) == "'abcdef'"


@pytest.mark.parametrize(
    ("things", "one"),
    [
        ("such cells", "1 such cell"),
        ("classes", "1 class"),
        ("series", "1 series"),
        ("copies with different labels", "1 copy with different labels"),
        ("caches", "1 cache"),
        ("series without block", "1 series without block"),
        ("empty at the ends", "1 empty at the ends"),
        ("line ends replaced", "1 line end replaced"),
        ("repeated", "1 repeated"),
        ("rows equal by chance", "1 row equal by chance"),
        ("columns left out", "1 column left out"),
        ("texts truncated at 9 tokens", "1 text truncated at 9 tokens"),
    ],
)
def test_a_count_is_told_in_the_right_number(things: str, one: str) -> None:
    assert [count_of(count, things) for count in (1, 0, 1200)] == [one, f"0 {things}", f"1,200 {things}"]


def test_each_noun_that_is_counted_has_a_singular_that_is_a_word() -> None:
    sources = [text for path in ROOT.glob("gristmill/**/*.py") if "count_of(" in (text := path.read_text())]
    calls = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    nouns = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "count_of"]

    singular = {count_of(1, noun.value).split()[-1] for noun in nouns if isinstance(noun, ast.Constant)}

    assert {"row", "series", "deployment", "cell"} < singular
    assert not [noun for noun in singular if noun.endswith(("ie", "sse", "xe", "nche", "tche", "she"))]
