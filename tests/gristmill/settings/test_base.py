"""Settings: frozen, strict, hashed as values; and their modules hold nothing else that could change a result."""

import ast
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import gristmill
from gristmill.settings.base import (
    Column,
    Columns,
    Files,
    Fit,
    ImageSize,
    MessageText,
    OptionalColumn,
    Settings,
    Sizes,
    SourceLocation,
    columns,
    identity_values,
    locations,
)

PACKAGE = Path(gristmill.__file__).parent
MODULES = sorted(
    path.relative_to(PACKAGE.parent).as_posix()
    for path in [PACKAGE / "settings/base.py", *PACKAGE.rglob("settings.py")]
)
VALIDATORS = {"field_validator", "model_validator"}


class Reader(Settings):
    kind: str
    path: SourceLocation
    sizes: Sizes = (1, 2)


class Roles(Settings):
    target: Column
    part: OptionalColumn = None
    others: Columns = ()
    called: MessageText = ""
    rows: int = 3


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Fit().epochs = 3


@pytest.mark.parametrize(
    "values",
    [
        {"epoch": 3},
        {"epochs": "3"},
        {"epochs": True},
        {"epochs": 3.0},
        {"epochs": 0},
        {"learning_rate": math.inf},
        {"clip_norm": math.nan},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_an_unknown_key_another_type_and_a_value_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Fit(**values)


def test_an_array_of_toml_becomes_a_tuple_whose_items_are_checked() -> None:
    assert Reader.model_validate({"kind": "a", "path": "b", "sizes": [3, 4]}).sizes == (3, 4)
    for wrong in (["3"], [3.0], [True], [0], 3):
        with pytest.raises(ValidationError):
            Reader.model_validate({"kind": "a", "path": "b", "sizes": wrong})


def test_a_place_is_no_part_of_the_identity() -> None:
    table = Reader(kind="csv", path="here.csv")
    assert list(locations(table)) == [("path", "here.csv")]
    assert identity_values(table) == {"kind": "csv", "sizes": [1, 2]}
    assert identity_values(Reader(kind="csv", path="elsewhere.csv")) == identity_values(table)


def test_the_columns_that_a_table_names_are_found_by_their_keys() -> None:
    assert list(columns(Roles(target="a"))) == [("target", "a")]
    assert list(columns(Roles(target="a", part="b", others=("c", "d")))) == [
        ("target", "a"), ("part", "b"), ("others", "c"), ("others", "d"),
    ]  # fmt: skip


def test_what_messages_alone_say_is_no_part_of_the_identity() -> None:
    assert identity_values(Roles(target="a", called="it")) == identity_values(Roles(target="a"))
    assert "called" in Roles(target="a").model_dump()


@pytest.mark.parametrize("path", ["a.csv", "data/2024-*.csv", "package://name/a.csv", "//a.csv"])
def test_the_digest_of_a_place_may_be_given_and_is_no_part_of_the_identity(path: str) -> None:
    assert identity_values(Files(path=path)) == identity_values(Files(path=path, sha256="ab" * 32)) == {}


@pytest.mark.fault(29)
def test_a_url_needs_the_digest_of_its_file() -> None:
    assert Files(path="https://example.org/a.csv", sha256="ab" * 32).sha256 == "ab" * 32
    for url in ("https://example.org/a.csv", "http://example.org/a.csv"):
        with pytest.raises(
            ValidationError, match="64 hexadecimal digits, as sha256sum prints them, since path is a URL"
        ):
            Files(path=url)


@pytest.mark.parametrize("wrong", ["", "ab", "AB" * 32, "xy" * 32, "ab" * 33, 7])
def test_a_digest_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        Files(path="a.csv", sha256=wrong)


@pytest.mark.fault(29)
@pytest.mark.parametrize("place", ["s3://bucket/a.csv", "ftp://example.org/a.csv", "file:///a.csv", "HTTPS://a.b/c"])
def test_a_place_of_another_scheme_is_refused(place: str) -> None:
    with pytest.raises(ValidationError, match="a location that begins with https://, http://, package://"):
        Files(path=place, sha256="ab" * 32)
    with pytest.raises(ValidationError) as raised:
        Files(path=place, refresh=True)
    assert [error["loc"] for error in raised.value.errors()] == [("path",)]  # whether it is a URL is unknown


def test_a_whole_number_given_for_a_float_is_the_same_value() -> None:
    whole, broken = (identity_values(Fit(learning_rate=rate)) for rate in (1, 1.0))
    assert repr(whole) == repr(broken)


def test_an_image_has_at_most_4096_pixels_a_side() -> None:
    size = TypeAdapter(ImageSize)
    assert size.validate_python(4096) == (4096, 4096)
    with pytest.raises(ValidationError, match="less than or equal to 4096"):
        size.validate_python([8, 4097])


def test_a_learning_rate_is_a_number_or_to_be_found() -> None:
    assert (Fit(learning_rate=0.01).learning_rate, Fit(learning_rate="find").learning_rate) == (0.01, "find")
    for wrong in ("fnd", -1.0, 0, True):
        with pytest.raises(ValidationError, match="learning_rate"):
            Fit.model_validate({"learning_rate": wrong})


def test_a_sweep_starts_at_a_number() -> None:
    assert Fit(learning_rate=1e-8, schedule="sweep").schedule == "sweep"
    with pytest.raises(ValidationError, match="a sweep starts at a number"):
        Fit(learning_rate="find", schedule="sweep")


def test_there_are_settings_modules_to_check() -> None:
    assert {"gristmill/settings/base.py", "gristmill/domains/timeseries/settings.py"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_settings_module_holds_fields_and_validators_only(module: str) -> None:
    """No settings module is in a code closure, so none may compute anything."""
    tree = ast.parse((PACKAGE.parent / module).read_text())
    assert list(_more_than_values(tree, functions=module == "gristmill/settings/base.py")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a\nA = 1\nclass B:\n    '''Doc.'''\n    x: int = 1", []),
        ("def f(): pass", ["f"]),
        ("for x in (): pass", ["For"]),
        ("class B:\n    def f(self): pass", ["B.f"]),
        ("class B:\n    @property\n    def f(self): pass", ["B.f"]),
        ("class B:\n    @field_validator('x')\n    def f(cls, x): return x", []),
        ("class B:\n    @classmethod\n    @field_validator('x')\n    def f(cls, x): return x", []),
    ],
)
def test_the_check_finds_what_is_more_than_values(source: str, found: list[str]) -> None:
    assert list(_more_than_values(ast.parse(source), functions=False)) == found


def _more_than_values(tree: ast.Module, functions: bool) -> list[str]:
    plain = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    found = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found += [f"{node.name}.{_name(item)}" for item in node.body if not _is_field(item)]
        elif isinstance(node, ast.FunctionDef):
            found += [] if functions else [node.name]
        elif not isinstance(node, plain) and not _is_text(node):
            found.append(_name(node))
    return found


def _is_field(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return any(_name(decorator) in VALIDATORS for decorator in node.decorator_list)
    return isinstance(node, ast.Assign | ast.AnnAssign) or _is_text(node)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _name(node: ast.AST) -> str:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name):
            return name
        case ast.Call(func=function):
            return _name(function)
    return type(node).__name__
