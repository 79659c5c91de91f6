"""Code that a user's own code imports from elsewhere: modules of gristmill, and packages.

A trained network depends on it as much as on the own file, so all of it is in the key of the training: modules of
gristmill with their closures (`closure.py`), an installed package by its version, and a package whose version says
nothing of its files by the source of every file that is reached by import. Such a package is editable, was installed
from a folder or a repository, or has no version. Source is parsed and metadata is read; nothing is imported. Modules of
the standard library change with the version of Python, which is in every key.
"""

import importlib.util
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from gristmill import keys
from gristmill.settings.base import Settings
from gristmill.settings.custom_code import CustomCode
from gristmill.store.code_closure import PACKAGE, READER_VERSION, imports_of, module_file, parse_source, with_imports
from gristmill.util.files import StatCache

_BY_HAND = {"dir_info", "vcs_info"}  # keys of direct_url.json (PEP 610) for what may change under one version

# What is remembered of a file depends on the code that reads it.
_READER = f"{READER_VERSION} {keys.digest_of_file(Path(__file__))}"


@dataclass(frozen=True)
class Imported:
    """Code that a user's own code imports from elsewhere."""

    modules: tuple[str, ...] = ()  # names in gristmill
    libraries: Mapping[str, str] = field(default_factory=dict)  # distribution to version
    code: Mapping[str, str] = field(default_factory=dict)  # file without a version, `mypkg/layers.py`, to digest
    files: Mapping[Path, str] = field(default_factory=dict)  # file that a change touches to the module it belongs to


NO_IMPORTS = Imported()


@dataclass(frozen=True)
class _Source:
    """The file that Python would run for a module."""

    name: str  # dotted
    top: tuple[str, ...]  # the top-level package's name; empty for a module in no package
    folder: Path  # of the top-level package, or the one in which the module lies
    inner: str  # the file, relative to the folder

    @property
    def label(self) -> str:
        return "/".join([*self.top, self.inner])

    @property
    def home(self) -> Path:
        """The folder in which Python found the package or module, and in which its metadata lies."""
        return self.folder.parent if self.top else self.folder


def read_imported(root: Path, tables: Iterable[Settings], memo: StatCache) -> Imported:
    """Return what the own code that tables name imports from elsewhere.

    What is not installed is left out, and so is a file that is not there: both are errors when the code is loaded.

    Args:
        root: the project's folder.
        tables: of a pipeline.
        memo: remembers what was read.
    """
    names: set[str] = set()
    for file in (root / table.file for table in tables if isinstance(table, CustomCode)):
        if os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises for a name that is too long
            names |= _names_elsewhere(file)
    return _follow(names, memo) if names else NO_IMPORTS


def _names_elsewhere(file: Path) -> set[str]:
    """Return the names that an own file, and those beside it that it imports, import and that lie elsewhere."""
    folder, names = file.parent, set[str]()
    for own in with_imports(file):
        names.update(imports_of(own, own.parent.relative_to(folder).parts))
    # Python searches the file's own folder first. A namespace package can have parts both there and elsewhere.
    tops = {top for top in map(_top, names) if module_file(folder / top)}
    return {name for name in names if _top(name) not in tops and not module_file(folder.joinpath(*name.split(".")))}


def _follow(names: set[str], memo: StatCache) -> Imported:
    """Return what names refer to, and what that imports itself as far as it has no version."""
    modules, libraries, code, files = set[str](), dict[str, str](), dict[str, str](), dict[Path, str]()
    providers = cache(partial(_providers, memo))
    seen, waiting = set[str](), names
    while waiting:
        seen |= waiting
        modules |= {name for name in waiting if _top(name) == PACKAGE.name}
        unversioned = []
        for source in filter(None, map(_find, sorted(waiting - modules))):
            if found := _distributions(source, providers(source.home)):
                libraries |= dict(found.values())
                files |= {folder / "METADATA": _top(source.name) for folder in found}
            else:
                unversioned.append(source)
                files[source.folder / source.inner] = source.name
        read = _read_all(unversioned, memo)
        code |= {label: entry["digest"] for label, entry in read.items()}
        waiting = {name for entry in read.values() for name in entry["imports"]} - seen
    return Imported(tuple(sorted(modules)), dict(sorted(libraries.items())), dict(sorted(code.items())), files)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _find(name: str) -> _Source | None:
    """Return the file of a module; None for one of the standard library, a name in a module, or what is not there.

    Python is asked for top-level names alone: to find a submodule it would import the package.
    """
    top, *inner = name.split(".")
    if top in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module that a program has made itself
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        file = Path(spec.origin or "").absolute()
        return None if inner or not file.is_file() else _Source(name, (), file.parent, file.name)
    for folder in (Path(location).absolute() for location in spec.submodule_search_locations):
        if found := module_file(folder.joinpath(*inner)):
            return _Source(name, (top,), folder, found.relative_to(folder).as_posix())
    return None


def _providers(memo: StatCache, home: Path) -> Mapping[str, list[Path]]:
    """Return which distributions, by their folders of metadata, have installed a top-level name into a folder.

    `importlib.metadata.packages_distributions` returns the same for all folders, but reads every file each time.
    """
    # pip starts the name of what a failed upgrade left with ~.
    names = os.listdir(home)  # noqa: PTH208 - names are wanted, and a Path for each of hundreds takes time
    folders = sorted(name for name in names if name.endswith(".dist-info") and name[0] != "~")
    found = defaultdict(list)
    for folder, tops in memo.recall(home, folders, _top_levels, _READER).items():
        for top in tops:
            found[top].append(home / folder)
    return found


def _distributions(source: _Source, providers: Mapping[str, list[Path]]) -> dict[Path, tuple[str, str]]:
    """Return the distributions that a file was installed by: folder of metadata to name and version.

    Those whose versions say nothing of their files are left out.
    """
    folders = providers.get(_top(source.name), [])
    if len(folders) > 1:  # they share a namespace
        folders = [folder for folder in folders if f"\n{source.label}," in f"\n{_record(folder)}"]
    return {folder: found for folder in folders if (found := _name_and_version(folder))}


def _top_levels(folder: Path) -> list[str]:
    """Return the top-level names that a distribution has installed."""
    lines = _record(folder).splitlines()
    return sorted({name for line in lines if (name := re.split("[/.,]", line, maxsplit=1)[0]).isidentifier()})


def _record(folder: Path) -> str:
    """Return the list of the files that a distribution has installed, a line each: its path, a comma, its hash."""
    return _text(folder / "RECORD")


def _name_and_version(folder: Path) -> tuple[str, str] | None:
    """Return the name and version of a distribution; None where that says nothing of its files."""
    origin = json.loads(_text(folder / "direct_url.json") or "{}")
    headers, _, _ = _text(folder / "METADATA").partition("\n\n")  # the description may be long
    found = dict(re.findall(r"^(Name|Version): *(\S+)", headers, re.MULTILINE))
    if origin.keys() & _BY_HAND or len(found) < 2:
        return None
    return re.sub(r"[-_.]+", "-", found["Name"]).lower(), found["Version"]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _read_all(sources: Iterable[_Source], memo: StatCache) -> dict[str, dict[str, Any]]:
    """Return the digest and the imports of files by their labels; a file whose stat is unchanged is not read again."""
    packages: dict[tuple[tuple[str, ...], Path], dict[str, _Source]] = defaultdict(dict)
    for source in sources:
        packages[source.top, source.folder][source.inner] = source
    found = {}
    for (top, folder), files in packages.items():
        read = memo.recall(folder, files, partial(_read, folder, top), f"{_READER} {'.'.join(top)}")
        found.update({files[inner].label: entry for inner, entry in read.items()})
    return found


def _read(folder: Path, top: tuple[str, ...], file: Path) -> dict[str, Any]:
    if file.suffix != ".py":
        return {"digest": keys.digest_of_file(file), "imports": []}
    digest, imports = parse_source(file.read_bytes(), (*top, *file.parent.relative_to(folder).parts))
    return {"digest": digest, "imports": imports}
