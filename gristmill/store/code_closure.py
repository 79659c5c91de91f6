"""Code closure: the code that can change a stage's result.

It consists of the modules that a stage starts from and every `gristmill` module that they can reach by an import
statement anywhere in the source. Source is parsed, never imported; comments, docstrings and layout do not count.
Modules that only hold names and values (hashed as values) or only present results are left out. The bytes of a user's
own file and of the files next to it count as data; this module finds those files, and `imported_code.py` finds their
other imports.
"""

import ast
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from gristmill import keys
from gristmill.errors import WorkError
from gristmill.util import process_start
from gristmill.util.files import StatCache

PACKAGE = Path(__file__).parent.parent

_CHANGED = "changed after this process started. Run again to load the hashed code."
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_WITHOUT_EFFECT = ("type_comment", "kind")  # fields of the syntax tree for a comment and for the u in u""
# Packages and modules outside every closure. The trailing dot excludes longer names.
_OUTSIDE = tuple(
    f"gristmill.{name}." for name in ("cli", "config", "project", "reports", "settings", "training.progress")
)
_INSIDE = "gristmill.settings.custom_code."  # exception: it runs a user's code

# Suffixes of modules, in the order in which Python tries them.
_SUFFIXES = (
    *importlib.machinery.EXTENSION_SUFFIXES,
    *importlib.machinery.SOURCE_SUFFIXES,
    *importlib.machinery.BYTECODE_SUFFIXES,
)

# Cached results depend on the Python that parses the source and on the code of this module.
READER_VERSION = f"{sys.version} {keys.digest_of_file(Path(__file__))}"


@dataclass(frozen=True)
class Module:
    """A module of the package, as read from disk."""

    digest: str  # of its normalised source
    imports: frozenset[str]  # modules that it imports, and their packages; modules outside every closure are left out


class PackageCode:
    """Modules of a package, as they were when they were first needed."""

    def __init__(self, memo: StatCache, package: Path = PACKAGE) -> None:
        self._memo, self._package = memo, package
        self._starts, self._modules = frozenset[str](), dict[str, Module]()

    def modules(self, starts: Iterable[str] | None = None) -> Mapping[str, Module]:
        """Return the modules that these and earlier `starts` can reach by import, or all modules, by dotted names.

        Files with an unchanged stat are not parsed again. To parse all files takes a second, longer than a small first
        run should wait.
        """
        if starts is not None and self._starts.issuperset(starts := {*starts}):
            return self._modules
        files, folder = _files_of(self._package), self._package.parent

        def inside(read: Mapping[str, Any]) -> Iterator[str]:
            return (name for name in read["imports"] if name in files and not _is_outside(name))

        names = files if starts is None else {name for start in starts for name in _with_parents(start)} & files.keys()
        read = self._memo.recall(
            folder,
            [files[name] for name in names],
            partial(read_source, folder, ()),
            READER_VERSION,
            lambda read: (files[name] for name in inside(read)),
        )
        sources = {name: read[file] for name, file in files.items() if file in read}
        modules = {name: Module(entry["digest"], frozenset(inside(entry))) for name, entry in sources.items()}
        self._modules, self._starts = modules | self._modules, self._starts.union(starts or files)
        return self._modules


def code_closure(starts: Iterable[str], modules: Mapping[str, Module], named: Iterable[str] = ()) -> dict[str, str]:
    """Return the hash of the normalised source of `starts` and of every gristmill module they can reach by import.

    Names of other packages are ignored. `named` are modules that a user's own code imports; they are hashed even if
    gristmill's own use of them is outside the closure.
    """
    closure: dict[str, str] = {}
    always = modules.keys() & {*named}
    waiting = [*always, *(name for start in starts for name in _with_parents(start) if name in modules)]
    while waiting:
        name = waiting.pop()
        if name not in closure and (name in always or not _is_outside(name)):
            closure[name] = modules[name].digest
            waiting.extend(modules[name].imports)
    return dict(sorted(closure.items()))


def load_closure(code: Iterable[str]) -> None:
    """Import every gristmill module of a code closure, and check that the loaded code is the hashed code.

    It is called before a stage works, because a module edited after this process started may have been imported before
    or after the edit. Python also runs byte code whose source had the same size and time to the second, which an edit
    may have too; such byte code is removed. `WorkError` is raised if a source file is newer than this process, or a
    module was loaded from foreign byte code.
    """
    files = _files_of(PACKAGE)
    for module in filter(_is_ours, code):
        file = PACKAGE.parent / files[module] if module in files else None
        if file:
            _check_bytecode(file, module)
        importlib.import_module(module)
        if file is None or is_new(file):
            raise WorkError(f"{file or module}: {_CHANGED}")


def check_loaded(files: Mapping[Path, str]) -> None:
    """Check that modules which this process has loaded are the hashed ones; raise `WorkError` if one is not.

    `files` maps files to the modules that are loaded from them, or whose version they contain.
    """
    for file, module in files.items():
        if file.suffix == ".py":
            _check_bytecode(file, module)
        if module in sys.modules and is_new(file):
            raise WorkError(f"{file}: {_CHANGED}")


def is_new(file: Path) -> bool:
    """Return whether a file was written or moved here after this process started."""
    return max(file.stat().st_mtime_ns, file.stat().st_ctime_ns) > process_start.STARTED_NS


def _check_bytecode(file: Path, module: str) -> None:
    """Remove byte code compiled from another source; raise `WorkError` if the module was already loaded from it.

    If the source has a syntax error, its byte code is removed too, so that the import reports the error.
    """
    cached = Path(importlib.util.cache_from_source(str(file)))
    if not cached.is_file():
        return
    loader, is_foreign = importlib.machinery.SourceFileLoader(file.stem, str(file)), True
    try:
        if loader.get_code(file.stem) == loader.source_to_code(file.read_bytes(), str(file)):
            return
    except (ValueError, EOFError, TypeError):  # it is not byte code
        pass
    except SyntaxError:
        is_foreign = False
    cached.unlink(missing_ok=True)
    if is_foreign and module in sys.modules:
        raise WorkError(f"{file}: its byte code was compiled from another source and was removed. Run again.")


def source_name(name: str) -> str:
    """Return the path to show for a closure entry; entries of other packages are paths already."""
    if not _is_ours(name):
        return name
    return _files_of(PACKAGE).get(name, name.replace(".", "/") + ".py")


def with_imports(file: Path) -> tuple[Path, ...]:
    """Return a file of the user's own code, followed by every file next to it that it can reach by import, sorted."""
    folder, reached, waiting = file.parent, {file}, [file]
    while waiting:
        path = waiting.pop()
        for name in imports_of(path, path.parent.relative_to(folder).parts):
            module = module_file(folder.joinpath(*name.split(".")))
            if module and module not in reached:
                reached.add(module)
                waiting.append(module)
    return (file, *sorted(reached - {file}))


def imports_of(file: Path, package: tuple[str, ...]) -> tuple[str, ...]:
    """Return the dotted names that a source file of a package imports, and their parents."""
    return parse_source(file.read_bytes(), package)[1]


def module_file(at: Path) -> Path | None:
    """Return the file that Python runs for a module or package, given its path without suffix; None without one."""
    candidates = (*(at / f"__init__{suffix}" for suffix in _SUFFIXES), *(Path(f"{at}{suffix}") for suffix in _SUFFIXES))
    return next((path for path in candidates if path.is_file()), None)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE.name


def _is_outside(module: str) -> bool:
    name = f"{module}."
    return (name.startswith(_OUTSIDE) and name != _INSIDE) or module.endswith(".settings")


def _files_of(package: Path) -> dict[str, str]:
    """Return the file of every module of a package, relative to the folder that the package lies in."""
    top, files = f"{package.parent}/", {}
    for folder, folders, names in os.walk(package, followlinks=True):
        folders[:] = [name for name in folders if name.isidentifier() and name != "__pycache__"]
        modules = {name.removesuffix(".py") for name in names if name.endswith(".py")}
        packages = {name for name in modules.intersection(folders) if Path(folder, name, "__init__.py").is_file()}
        at = folder.removeprefix(top)
        for stem in modules - packages:
            if stem.isidentifier():
                module = at if stem == "__init__" else f"{at}/{stem}"
                files[module.replace("/", ".")] = f"{at}/{stem}.py"
    return files


def read_source(folder: Path, top: tuple[str, ...], file: Path) -> dict[str, Any]:
    """Return the digest of a module and the names that it imports; its package is `top` and its path below a folder."""
    if file.suffix != ".py":
        return {"digest": keys.digest_of_file(file), "imports": []}
    digest, imports = parse_source(file.read_bytes(), (*top, *file.parent.relative_to(folder).parts))
    return {"digest": digest, "imports": imports}


@cache
def parse_source(source: bytes, base: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the digest of normalised source of a module in package `base`, and the names that it imports."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # reported when it is imported
        return keys.digest_of_bytes(source), ()
    names = {parent for name in _imported(tree, base) for parent in _with_parents(name)}
    return keys.digest_of_bytes(repr(_normalised(tree)).encode()), tuple(sorted(names))


def _imported(tree: ast.AST, base: tuple[str, ...]) -> Iterator[str]:
    """Yield the dotted names in all import statements of a tree; `base` resolves relative ones."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = base[: len(base) - node.level + 1] if node.level else ()
            origin = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*origin, alias.name]) for alias in node.names)  # each may be a submodule
        # Go on with the statements inside, not with expressions, which import nothing.
        for _, value in ast.iter_fields(node):
            if isinstance(value, list):
                waiting += [item for item in value if isinstance(item, ast.stmt | ast.excepthandler | ast.match_case)]


def _with_parents(module: str) -> Iterator[str]:
    """Yield `a`, `a.b` and `a.b.c` for `a.b.c`: importing a module runs its packages first."""
    steps = module.split(".")
    yield from (".".join(steps[:count]) for count in range(1, len(steps) + 1))


def _normalised(node: Any) -> Any:
    """Return a syntax tree as nested tuples, without positions, docstrings and empty fields.

    `ast.dump` would print the same code differently in different versions of Python.
    """
    if isinstance(node, list):
        return tuple([_normalised(item) for item in node])
    if not isinstance(node, ast.AST):
        return None if node is None else repr(node)
    parts: list[Any] = [type(node).__name__]
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and isinstance(node, _DOCUMENTED):
            value = [item for item in value or () if not _is_bare_string(item)]
        if value is not None and value != [] and name not in _WITHOUT_EFFECT:
            parts.append((name, _normalised(value)))
    return tuple(parts)


def _is_bare_string(node: ast.stmt) -> bool:
    """Return whether a statement is only a string, such as a docstring, which has no effect."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
