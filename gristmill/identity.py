"""Every hash gristmill makes.

An artifact's key is the SHA-256 of what can change its content: the stage, the code that computes it,
its settings, the digests of its inputs and the versions of the libraries it uses. Nothing else names an artifact, so
a key that is found is a result that is right. Golden tests pin keys (`tests/gristmill/test_identity.py`).

The code closure is found by parsing source, never by importing it: the modules a stage starts from and every
`gristmill` module reachable from them by an import statement, wherever it stands. Comments, docstrings and layout
do not count. Outside the closure are modules that only hold names and values (those are hashed as values) and
modules that only present results.
"""

import ast
import contextlib
import hashlib
import importlib.util
import json
import marshal
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from gristmill import STARTED_NS
from gristmill.errors import WorkError

FORMAT = 1  # raise it when the layout of artifacts changes: every key changes with it

PACKAGE = Path(__file__).parent

_OUTSIDE = {"gristmill.config", "gristmill.domains", "gristmill.cli", "gristmill.project", "gristmill.report"}


@dataclass(frozen=True)
class Identity:
    """A stage's key and everything it was made of."""

    stage: str
    key: str
    parts: dict[str, Any]  # stage, format, code, settings, inputs, libraries


def identify(
    stage: str,
    code: Mapping[str, str],
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    libraries: Mapping[str, str],
) -> Identity:
    """Return the identity of a stage's result.

    Args:
        stage: name of the stage.
        code: module name to hash of its normalised source (`code_closure`).
        settings: table name to the values that can change the result.
        inputs: name to digest of what the stage reads: artifacts of other stages, files of a source.
        libraries: distribution name to version (`versions`).
    """
    parts = {
        "stage": stage,
        "format": FORMAT,
        "code": dict(code),
        "settings": dict(settings),
        "inputs": dict(inputs),
        "libraries": dict(libraries),
    }
    return Identity(stage, digest_of(parts), parts)


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form, in which 1, 1.0, True and "1" differ."""
    text = json.dumps(_tagged(value), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tagged(value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return {"int": str(value)}
        case float():
            return {"float": value.hex()}
        case list() | tuple():
            return [_tagged(item) for item in value]
        case dict():
            return {"dict": [[key, _tagged(value[key])] for key in sorted(value)]}
    raise TypeError(f"only JSON values have a digest. Received: {value!r} of type {type(value).__name__}")


@cache
def versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """Return the installed version of each distribution, from its metadata: nothing is imported.

    Raises:
        WorkError: one is not installed.
    """
    try:
        return {name: metadata.version(name) for name in libraries}
    except metadata.PackageNotFoundError as error:
        raise WorkError(f"{error.name} is not installed. Install gristmill's requirements.") from None


def code_closure(modules: Iterable[str], package: Path = PACKAGE) -> dict[str, str]:
    """Return the normalised-source hash of `modules` and of every gristmill module they can reach by import.

    Args:
        modules: dotted names to start from, such as `gristmill.timeseries.train`.
        package: the folder of the `gristmill` package.

    Returns:
        Module name to hash, sorted by name. Names that are not modules of the package, or lie outside the
        closure by rule, are left out.
    """
    found: dict[str, str] = {}
    waiting = [name for module in modules for name in _with_parents(module)]
    while waiting:
        name = waiting.pop()
        if name in found or _is_outside(name) or (file := _source_file(name, package)) is None:
            continue
        digest, imports = _read_source(file, name, (file.stat().st_mtime_ns, file.stat().st_ctime_ns))
        found[name] = digest
        waiting.extend(imports)
    return dict(sorted(found.items()))


def load_closure(code: Iterable[str], package: Path = PACKAGE) -> None:
    """Import every module of a code closure, and refuse where what is loaded may not be what was hashed.

    A module that was edited after this process started may have been imported before or after the edit. Called
    before a stage works: an edit made later does no harm to what is loaded by then. Python itself runs byte code whose
    source was as old to the second and as long, which an edit may be too; such byte code is removed.

    Raises:
        WorkError: a source file is newer than this process, or the byte code of a loaded one was not its own.
    """
    for module in code:
        loaded, file = module in sys.modules, _source_file(module, package)
        if file and _remove_foreign_bytecode(file) and loaded:
            raise WorkError(f"{file}: its byte code was of another version and is removed now. Run again.")
        importlib.import_module(module)
        if file is None or max(file.stat().st_mtime_ns, file.stat().st_ctime_ns) > STARTED_NS:
            raise WorkError(
                f"{file or module}: changed after this process started. Run again, so that what runs is what is hashed."
            )


def _remove_foreign_bytecode(file: Path) -> bool:
    """Remove the byte code that Python would run for a source file if it is not its own; return whether it was not."""
    cached = Path(importlib.util.cache_from_source(str(file)))
    if not cached.is_file():
        return False
    header, content = cached.read_bytes()[:16], cached.read_bytes()[16:]
    source = file.stat()
    if header[8:] != struct.pack("<LL", int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF):
        return False  # Python sees for itself that it is of another version
    own = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    with contextlib.suppress(ValueError, EOFError, TypeError):  # not byte code at all
        if marshal.loads(content) == own:  # noqa: S302  # Python would load it anyway
            return False
    cached.unlink(missing_ok=True)
    return True


def _is_outside(module: str) -> bool:
    return module in _OUTSIDE or module.endswith(".settings")


def _source_file(module: str, package: Path) -> Path | None:
    top, *rest = module.split(".")
    if top != "gristmill":
        return None
    folder = package.joinpath(*rest)
    candidates = [folder / "__init__.py"] if not rest else [folder / "__init__.py", folder.with_suffix(".py")]
    return next((file for file in candidates if file.is_file()), None)


def source_name(module: str) -> str:
    """Return a module's file as people name it: `gristmill/timeseries/windows.py`."""
    file = _source_file(module, PACKAGE)
    return file.relative_to(PACKAGE.parent).as_posix() if file else module.replace(".", "/") + ".py"


@cache
def _read_source(file: Path, module: str, times: tuple[int, int]) -> tuple[str, frozenset[str]]:
    """Return a module's normalised-source hash and the names it imports that may be modules."""
    tree = ast.parse(file.read_bytes(), filename=str(file))
    base = module if file.name == "__init__.py" else module.rpartition(".")[0]
    imports = frozenset(parent for name in _imported(tree, base) for parent in _with_parents(name))
    return hashlib.sha256(repr(_normalised(tree)).encode()).hexdigest(), imports


def _imported(tree: ast.AST, base: str) -> Iterator[str]:
    """Yield the dotted names that import statements anywhere in `tree` mention; `base` resolves relative ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = base.split(".")[: len(base.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)  # each may be a submodule


def _with_parents(module: str) -> Iterator[str]:
    """Yield `a`, `a.b` and `a.b.c` for `a.b.c`: importing a module runs its packages first."""
    steps = module.split(".")
    yield from (".".join(steps[:count]) for count in range(1, len(steps) + 1))


def _normalised(node: Any) -> Any:
    """Return a syntax tree as nested tuples, without positions, docstrings and empty fields.

    Written out, and not `ast.dump`, because that prints the same code differently from one Python to the next.
    """
    if isinstance(node, ast.AST):
        fields = ((name, _normalised(value)) for name, value in _fields(node))
        return (type(node).__name__, *((name, value) for name, value in fields if value not in (None, ())))
    if isinstance(node, list):
        return tuple(_normalised(item) for item in node)
    return None if node is None else repr(node)


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    for name, value in ast.iter_fields(node):
        if name == "body" and documented:
            yield name, [item for item in value if not _is_bare_string(item)]
        elif name not in ("type_comment", "kind"):
            yield name, value


def _is_bare_string(node: ast.stmt) -> bool:
    """A string standing alone: a docstring, or one under an assignment. It has no effect."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
