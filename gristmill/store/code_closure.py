"""The code that can change a result: modules, and all that they can reach by import.

The code closure is found by parsing source, never by importing it: the modules a stage starts from and every
`gristmill` module reachable from them by an import statement, wherever it stands. Comments, docstrings and layout
do not count. Outside the closure are modules that only hold names and values (those are hashed as values) and
modules that only present results. Of a user's own file, and of what lies beside it, the bytes count as data; only what
belongs to it is found here. What else it imports is found in `imported.py`.
"""

import ast
import contextlib
import importlib.machinery
import importlib.util
import marshal
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from gristmill import keys
from gristmill.errors import WorkError
from gristmill.util.files import StatCache
from gristmill.util.process_start import STARTED_NS

PACKAGE = Path(__file__).parent.parent

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_WITHOUT_EFFECT = ("type_comment", "kind")  # fields: of a comment, and of u"" before a string
# Packages and modules that hold names and values, or only present results. A trailing dot keeps other names out.
_OUTSIDE = tuple(
    f"gristmill.{name}." for name in ("cli", "config", "project", "reports", "settings", "training.progress")
)
_INSIDE = "gristmill.settings.custom_code."  # runs a user's code

# The suffixes of what Python can import, in the order in which it tries them.
_SUFFIXES = (
    *importlib.machinery.EXTENSION_SUFFIXES,
    *importlib.machinery.SOURCE_SUFFIXES,
    *importlib.machinery.BYTECODE_SUFFIXES,
)

# What is read from a source file depends on the Python that parses it and on this very module, as it was loaded.
READER_VERSION = f"{sys.version} {keys.digest_of_file(Path(__file__))}"


@dataclass(frozen=True)
class Module:
    """A module as it stands on disk."""

    digest: str  # of its normalised source
    imports: frozenset[str]  # modules of the package that it mentions, and the packages they lie in


def read_modules(memo: StatCache, package: Path = PACKAGE) -> dict[str, Module]:
    """Return every module of a package by its dotted name; a file whose stat is the remembered one is not read.

    Args:
        memo: remembers what was read.
        package: the folder of the `gristmill` package.
    """
    files = _files_of(package)
    read = memo.recall(package.parent, files.values(), partial(_read, package), READER_VERSION)
    return {
        name: Module(read[file]["digest"], frozenset(files.keys() & read[file]["imports"]))
        for name, file in files.items()
    }


def code_closure(starts: Iterable[str], modules: Mapping[str, Module], named: Iterable[str] = ()) -> dict[str, str]:
    """Return the normalised-source hash of `starts` and of every gristmill module they can reach by import.

    Args:
        starts: dotted names, such as `gristmill.domains.timeseries.train`.
        modules: all there are (`read_modules`).
        named: gristmill modules that a user's own code imports. All of them are hashed, even those outside the
            closure by rule: the rule holds only for gristmill's own use of them.

    Returns:
        Module name to hash, sorted by name. Names that are not modules of the package, or lie outside the
        closure by rule, are left out.
    """
    found: dict[str, str] = {}
    always = modules.keys() & {*named}
    waiting = [*always, *(name for start in starts for name in _with_parents(start) if name in modules)]
    while waiting:
        name = waiting.pop()
        if name not in found and (name in always or not _is_outside(name)):
            found[name] = modules[name].digest
            waiting.extend(modules[name].imports)
    return dict(sorted(found.items()))


def load_closure(code: Iterable[str]) -> None:
    """Import every gristmill module of a code closure, and refuse where what is loaded may not be what was hashed.

    A module that was edited after this process started may have been imported before or after the edit. Called
    before a stage works: an edit made later does no harm to what is loaded by then. Python itself runs byte code whose
    source was as old to the second and as long, which an edit may be too; such byte code is removed.

    Raises:
        WorkError: a source file is newer than this process, or the byte code of a loaded one was not its own.
    """
    files = _files_of(PACKAGE)
    for module in filter(_is_ours, code):
        loaded, file = module in sys.modules, PACKAGE.parent / files[module] if module in files else None
        if file and _remove_foreign_bytecode(file) and loaded:
            raise _foreign(file)
        importlib.import_module(module)
        if file is None or _is_new(file):
            raise _changed(file or module)


def check_loaded(files: Mapping[Path, str]) -> None:
    """Refuse where a module that this process has loaded may not be what was hashed; the others are loaded as they are.

    Args:
        files: file to the module that is loaded from it, or whose version it says.

    Raises:
        WorkError: the file of a loaded module is newer than this process, or its byte code was not its own.
    """
    for file, module in files.items():
        foreign = file.suffix == ".py" and _remove_foreign_bytecode(file)
        if module in sys.modules and foreign:
            raise _foreign(file)
        if module in sys.modules and _is_new(file):
            raise _changed(file)


def _is_new(file: Path) -> bool:
    """Whether a file was changed, or came here, after this process started."""
    return max(file.stat().st_mtime_ns, file.stat().st_ctime_ns) > STARTED_NS


def _changed(what: Path | str) -> WorkError:
    return WorkError(f"{what}: changed after this process started. Run again to load the hashed code.")


def _foreign(file: Path) -> WorkError:
    return WorkError(f"{file}: its byte code was compiled from another source and was removed. Run again.")


def _remove_foreign_bytecode(file: Path) -> bool:
    """Remove the byte code that Python would run for a source file if it is not its own; return whether it was not."""
    cached = Path(importlib.util.cache_from_source(str(file)))
    if not cached.is_file():
        return False
    header, content = cached.read_bytes()[:16], cached.read_bytes()[16:]
    source = file.stat()
    by_time = not any(header[4:8])  # else by a hash of the source (PEP 552), which Python may be told not to check
    if by_time and header[8:] != struct.pack("<LL", int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF):
        return False  # Python sees for itself that it is of another version
    own = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    with contextlib.suppress(ValueError, EOFError, TypeError):  # not byte code at all
        if marshal.loads(content) == own:  # noqa: S302  # Python would load it anyway
            return False
    cached.unlink(missing_ok=True)
    return True


def source_name(name: str) -> str:
    """Return the display name of a closure entry: a gristmill module's file, `gristmill/domains/timeseries/windows.py`.

    Files of other packages are already given as paths.
    """
    if not _is_ours(name):
        return name
    return _files_of(PACKAGE).get(name, name.replace(".", "/") + ".py")


def with_imports(file: Path) -> tuple[Path, ...]:
    """Return a file of the user's own code and every file beside it that it can reach by import, sorted behind it."""
    found, waiting = {file}, [file]
    while waiting:
        for path in set(_beside(waiting.pop(), file.parent)) - found:
            found.add(path)
            waiting.append(path)
    return (file, *sorted(found - {file}))


def imports_of(file: Path, package: tuple[str, ...]) -> tuple[str, ...]:
    """Return the dotted names that a source file of a package mentions in import statements, and their parents."""
    return parse_source(file.read_bytes(), package)[1]


def module_file(at: Path) -> Path | None:
    """Return the file that Python runs for a module or package at a path without suffix; None if there is none."""
    tried = (*(at / f"__init__{suffix}" for suffix in _SUFFIXES), *(Path(f"{at}{suffix}") for suffix in _SUFFIXES))
    return next((path for path in tried if path.is_file()), None)


def _beside(file: Path, folder: Path) -> Iterator[Path]:
    for name in imports_of(file, file.parent.relative_to(folder).parts):
        if found := module_file(folder.joinpath(*name.split("."))):
            yield found


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE.name


def _is_outside(module: str) -> bool:
    name = f"{module}."
    return (name.startswith(_OUTSIDE) and name != _INSIDE) or module.endswith(".settings")


def _files_of(package: Path) -> dict[str, str]:
    """Return the file of every module of a package, relative to the folder that the package lies in."""
    top = package.parent
    files = {}
    for folder, folders, names in os.walk(package, followlinks=True):
        folders[:] = [name for name in folders if name.isidentifier()]
        packages = {name for name in folders if Path(folder, name, "__init__.py").is_file()}
        at = Path(folder).relative_to(top)
        for stem in {name.removesuffix(".py") for name in names if name.endswith(".py")} - packages:
            if stem.isidentifier():
                steps = at.parts if stem == "__init__" else (*at.parts, stem)
                files[".".join(steps)] = f"{at.as_posix()}/{stem}.py"
    return files


def _read(package: Path, file: Path) -> dict[str, Any]:
    """Return the digest of a module's normalised source and what it imports that may be of its own package."""
    digest, imports = parse_source(file.read_bytes(), file.parent.relative_to(package.parent).parts)
    return {"digest": digest, "imports": [name for name in imports if name.startswith(package.name)]}


@cache
def parse_source(source: bytes, base: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the digest of normalised source text, and the names that it imports, in the package `base`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # told when it is imported
        return keys.digest_of_bytes(source), ()
    names = {parent for name in _imported(tree, base) for parent in _with_parents(name)}
    return keys.digest_of_bytes(repr(_normalised(tree)).encode()), tuple(sorted(names))


def _imported(tree: ast.AST, base: tuple[str, ...]) -> Iterator[str]:
    """Yield the dotted names that import statements anywhere in `tree` mention; `base` resolves relative ones."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = base[: len(base) - node.level + 1] if node.level else ()
            origin = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*origin, alias.name]) for alias in node.names)  # each may be a submodule


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement in `tree`, without a look into expressions, in which nothing is imported."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for _, value in ast.iter_fields(node):
            if isinstance(value, list):
                waiting += [item for item in value if isinstance(item, ast.stmt | ast.excepthandler | ast.match_case)]


def _with_parents(module: str) -> Iterator[str]:
    """Yield `a`, `a.b` and `a.b.c` for `a.b.c`: importing a module runs its packages first."""
    steps = module.split(".")
    yield from (".".join(steps[:count]) for count in range(1, len(steps) + 1))


def _normalised(node: Any) -> Any:
    """Return a syntax tree as nested tuples, without positions, docstrings and empty fields.

    Written out, and not `ast.dump`, because that prints the same code differently from one Python to the next. With a
    new store every module is read before anything else is done, so it makes no detour for what is empty.
    """
    if isinstance(node, list):
        return tuple([_normalised(item) for item in node])
    if not isinstance(node, ast.AST):
        return None if node is None else repr(node)
    found: list[Any] = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and isinstance(node, _DOCUMENTED):
            value = [item for item in value or () if not _is_bare_string(item)]
        if value is not None and value != [] and name not in _WITHOUT_EFFECT:
            found.append((name, _normalised(value)))
    return tuple(found)


def _is_bare_string(node: ast.stmt) -> bool:
    """A string standing alone: a docstring, or one under an assignment. It has no effect."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
