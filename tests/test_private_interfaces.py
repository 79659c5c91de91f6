"""Only public interfaces of other libraries: no private name of another module is imported or read."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT

OWN = ("gristmill", "flows", "tasks")
PUBLIC = {
    "_asdict",
    "_exit",
    "_fields",
    "_typeshed",
}  # documented in spite of the underscore
PRIVATE_PACKAGES = ("src", "python", "_internal")  # of Keras, TensorFlow and Prefect


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def private_names(tree: ast.Module) -> Iterator[str]:
    """Yield private attributes that the module does not define itself, and private imports of other packages."""
    nodes = list(ast.walk(tree))
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    defined |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if is_private(name) and name not in defined | stored(nodes):
                yield ast.unparse(node)
            case ast.ImportFrom(module=str(module), names=names) if not module.startswith(OWN):
                parts = [*module.split("."), *(each.name for each in names)]
                if any(is_private(part) or part in PRIVATE_PACKAGES for part in parts):
                    yield ast.unparse(node)
            case ast.Import(names=names):
                for each in names:
                    if any(is_private(part) or part in PRIVATE_PACKAGES for part in each.name.split(".")):
                        yield ast.unparse(node)


def stored(nodes: list[ast.AST]) -> set[str]:
    """Return the attributes that a class of the module sets on itself."""
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("self", "cls")
    }


def test_no_private_name_of_another_library_is_used() -> None:
    files = [file for package in OWN for file in Path(ROOT, package).rglob("*.py")]
    found = {str(file.relative_to(ROOT)): list(private_names(ast.parse(file.read_text()))) for file in files}

    assert len(files) > 100
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "code",
    [
        "layer._flatten_layers()",
        "from keras.src.layers import Layer",
        "from tensorflow.python.framework import ops",
        "from prefect._internal import concurrency",
        "import tensorflow.python",
        "keras._tracked = 1",
    ],
)
def test_private_names_are_found(code: str) -> None:
    assert list(private_names(ast.parse(code)))
