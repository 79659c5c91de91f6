"""Only the listed modules use unstable interfaces of other libraries."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import keras
import pytest
from distributed.worker_state_machine import TaskStateState, WorkerState

from conftest import ROOT
from gristmill.export import saved_model

EXCEPTIONS = {
    "gristmill/export/saved_model.py": {"tensorflow.core.protobuf"},
    "gristmill/settings/custom_code.py": {"sys.modules", "importlib.util.cache_from_source"},
    "gristmill/store/code_closure.py": {"importlib.util.cache_from_source"},
    "gristmill/training/keras_backend.py": {"os.dup2"},
    "gristmill/workers/dask_worker.py": {"dask.state.tasks"},
}
MAX_EXCEPTIONS = 5

FOLDERS = ("flows", "gristmill", "tasks")
INTERNAL_PACKAGES = ("keras.src", "tensorflow.core", "tensorflow.python")
DOCUMENTED = {"_asdict", "_fields", "_make", "_replace", "_exit"}  # public, in spite of their names


def own_sources() -> dict[str, ast.Module]:
    """Return the syntax tree of each module of the project by its path."""
    files = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
    return {file.relative_to(ROOT).as_posix(): ast.parse(file.read_bytes()) for file in files}


def private_uses(tree: ast.Module, inherited: Iterable[str] = ()) -> Iterator[str]:
    """Yield each private interface of another library that a module uses; its classes may use `inherited` names."""
    imported, own_names = dict(_imports(tree)), DOCUMENTED.union(defined_names(tree))
    yield from (name for name in imported.values() if _is_internal(name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            allowed = own_names.union(inherited) if ast.unparse(node.value) == "self" else own_names
            yield from () if node.attr in allowed else [ast.unparse(node)]
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(".state.tasks"):
            yield ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.util.cache_from_source":
            yield "importlib.util.cache_from_source"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.dup2" and ast.unparse(node.args[1]) == "2":
            yield "os.dup2"
        # Names that are given as text
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr", "setattr", "delattr"):
            name = getattr(node.args[1], "value", None)
            if isinstance(name, str) and _is_private(name) and name not in own_names:
                yield ast.unparse(node)
        # Replaced functions of other packages, and changes of the table of modules
        for target in _targets(node):
            replaced = ast.unparse(target.value if isinstance(target, ast.Subscript) else target)
            module = imported.get(replaced.partition(".")[0], "")
            is_foreign = module.partition(".")[0] not in {"", "gristmill", *sys.stdlib_module_names}
            if replaced == "sys.modules" or (is_foreign and isinstance(target, ast.Attribute)):
                yield replaced


def defined_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of functions, classes, attributes and variables that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the name that each import statement gives to a module or object, and its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((one.asname or one.name.partition(".")[0], one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)


def _is_internal(module: str) -> bool:
    """Return whether the full name of an import is private."""
    parts = module.split(".")
    if parts[0] in ("gristmill", "_typeshed"):  # the latter is only for type checkers
        return False
    return ".".join(parts[:2]) in INTERNAL_PACKAGES or any(map(_is_private, parts))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _targets(node: ast.AST) -> list[ast.expr]:
    """Return what a statement assigns to or deletes."""
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    return [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []


def test_only_the_listed_places_use_private_interfaces() -> None:
    sources = own_sources()
    inherited = set[str]().union(*map(defined_names, sources.values()))
    found = {path: set(private_uses(tree, inherited)) for path, tree in sources.items()}
    shortened = {
        path: {next((one for one in EXCEPTIONS.get(path, ()) if use.startswith(one)), use) for use in uses}
        for path, uses in found.items()
        if uses
    }

    assert shortened == EXCEPTIONS
    assert len(EXCEPTIONS) <= MAX_EXCEPTIONS


def test_the_places_are_listed_with_their_reasons() -> None:
    _, _, section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Interfaces of other libraries")
    rows = re.findall(r"^\| `([\w/]+\.py)` \| .+ \| .+ \|$", section.partition("\n## ")[0], re.MULTILINE)

    assert sorted(f"gristmill/{row}" for row in rows) == sorted(EXCEPTIONS)


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("import keras.src.layers", "keras.src.layers"),
        ("def f():\n    from tensorflow.python import eager", "tensorflow.python.eager"),
        ("from keras._tf_keras import keras", "keras._tf_keras.keras"),
        ("import keras\nkeras.Model()._flatten_layers()", "keras.Model()._flatten_layers"),
        ("import keras\ngetattr(keras.Model(), '_layers')", "getattr(keras.Model(), '_layers')"),
        ("import tensorflow as tf\ntf.saved_model.load = print", "tf.saved_model.load"),
        ("import sys\nsys.modules['pandas'] = None", "sys.modules"),
        ("import sys\nsys.modules |= {}", "sys.modules"),
        ("import sys\ndel sys.modules['pandas']", "sys.modules"),
        ("import os\nos.dup2(1, 2)", "os.dup2"),
        ("import importlib.util\nimportlib.util.cache_from_source('a.py')", "importlib.util.cache_from_source"),
        ("get_worker().state.tasks", "get_worker().state.tasks"),
        ("from prefect._internal import concurrency", "prefect._internal.concurrency"),
    ],
)
def test_a_private_interface_is_found(source: str, use: str) -> None:
    assert use in private_uses(ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "import keras\nkeras.Model().layers",
        "from gristmill.store import _private",
        "class A:\n    def __init__(self):\n        self._own = 1\n\nA()._own",
        "import os\nos.environ |= {}\nos.environ['A'] = 'b'",
        "point._replace(x=1)",
    ],
)
def test_a_public_interface_is_allowed(source: str) -> None:
    tree = ast.parse(source)
    assert list(private_uses(tree)) == []


def test_tensorflow_writes_what_saved_model_rewrites(tmp_path: Path) -> None:
    """The names in `gristmill/export/saved_model.py` are those in the files that TensorFlow writes."""
    words = keras.Input((2,), dtype="string", name="words")
    numbers = keras.layers.StringLookup(vocabulary=["a", "b"])(words)
    state = keras.layers.SimpleRNN(3)(keras.layers.Embedding(4, 2)(numbers))
    keras.Model(words, keras.layers.Dense(1, "silu")(state)).export(tmp_path, verbose=False)
    content = (tmp_path / "saved_model.pb").read_bytes()

    for name in (saved_model._GIVEN_NAME, saved_model._GRADIENT, "key_value_init", "HashTableV2", "config_proto"):
        assert name.encode() in content, name
    assert (tmp_path / "fingerprint.pb").exists()


def test_deleting_a_module_lets_python_find_it_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gristmill/settings/custom_code.py` relies on it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "own_blocks.py").write_text("")
    first = importlib.import_module("own_blocks")
    del sys.modules["own_blocks"]
    second = importlib.import_module("own_blocks")
    del sys.modules["own_blocks"]

    assert first is not second


def test_a_dask_worker_knows_its_tasks_and_which_are_cancelled() -> None:
    """`gristmill/workers/dask_worker.py` asks it."""
    assert WorkerState().tasks == {}
    assert "cancelled" in get_args(TaskStateState)


@pytest.mark.slow
def test_tensorflow_still_writes_to_standard_error_when_it_is_imported() -> None:
    """Otherwise `gristmill/training/keras_backend.py` need not silence it."""
    program = "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'; import tensorflow"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stderr
