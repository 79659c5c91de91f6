"""Code outside the user's own files that these files import: modules of gristmill, and packages.

A trained network depends on all of it, so it is part of the training's key: modules of gristmill with their closures
(`code_closure.py`), installed packages by their versions, and other packages by the source of every imported file. The
latter are editable, were installed from a folder or repository, or have no version. Source is parsed and metadata is
read; nothing is imported. The standard library is covered by the version of Python in every key.
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

from gristmill import keys
from gristmill.settings.base import Settings
from gristmill.settings.custom_code import code_of
from gristmill.store.code_closure import PACKAGE, READER_VERSION, imports_of, module_file, read_source, with_imports
from gristmill.util.files import StatCache

_UNVERSIONED_ORIGINS = {"dir_info", "vcs_info"}  # keys of direct_url.json (PEP 610): code may change, not its version

# Cached results depend on the code of this module.
_READER = f"{READER_VERSION} {keys.digest_of_file(Path(__file__))}"


@dataclass(frozen=True)
class Imported:
    """Code outside the user's own files that these files import."""

    modules: tuple[str, ...] = ()  # names in gristmill
    libraries: Mapping[str, str] = field(default_factory=dict)  # distribution to version
    code: Mapping[str, str] = field(default_factory=dict)  # file without a version, `mypkg/layers.py`, to digest
    files: Mapping[Path, str] = field(default_factory=dict)  # file to its module, to detect changes


NO_IMPORTS = Imported()


@dataclass(frozen=True)
class _Source:
    """File that Python would run for a module."""

    name: str  # dotted
    top: tuple[str, ...]  # the top-level package's name; empty for a module in no package
    folder: Path  # of the top-level package, or the one in which the module lies
    inner: str  # the file, relative to the folder

    @property
    def label(self) -> str:
        return "/".join([*self.top, self.inner])

    @property
    def home(self) -> Path:
        """The folder in which Python found the package or module and its metadata."""
        return self.folder.parent if self.top else self.folder


def read_imported(root: Path, tables: Iterable[Settings], memo: StatCache) -> Imported:
    """Return the external imports of the user's code that a pipeline's tables name.

    Packages that are not installed and missing files are left out: both are errors when the code is loaded.
    """
    names: set[str] = set()
    for file in (root / code.file for table in tables for _, code in code_of(table)):
        if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises for a name that is too long
            continue
        # Take the names outside the file's folder that the file, and its imports within the folder, import.
        folder, imported = file.parent, set[str]()
        for path in with_imports(file):
            imported.update(imports_of(path, path.parent.relative_to(folder).parts))
        # Python searches the file's own folder first. A namespace package can have parts both there and elsewhere.
        tops = {top for top in map(_top, imported) if module_file(folder / top)}
        elsewhere = (name for name in imported if _top(name) not in tops)
        names.update(name for name in elsewhere if not module_file(folder.joinpath(*name.split("."))))
    return _follow(names, memo) if names else NO_IMPORTS


def _follow(names: set[str], memo: StatCache) -> Imported:
    """Return the code that names refer to, including the imports of packages without a version."""
    modules, libraries, code, files = set[str](), dict[str, str](), dict[str, str](), dict[Path, str]()
    providers = cache(partial(_providers, memo))
    seen, waiting = set[str](), names
    while waiting:
        seen |= waiting
        modules |= {name for name in waiting if _top(name) == PACKAGE.name}
        unversioned: dict[tuple[tuple[str, ...], Path], dict[str, _Source]] = defaultdict(dict)
        for source in filter(None, map(_find, sorted(waiting - modules))):
            # Look for the distributions that installed the file and whose version identifies it.
            folders = providers(source.home).get(_top(source.name), [])
            if len(folders) > 1:  # distributions that share a namespace
                folders = [folder for folder in folders if f"\n{source.label}," in f"\n{_text(folder / 'RECORD')}"]
            distributions = {folder: named for folder in folders if (named := _name_and_version(folder))}
            if distributions:
                libraries |= dict(distributions.values())
                files |= {folder / "METADATA": _top(source.name) for folder in distributions}
            else:
                unversioned[source.top, source.folder][source.inner] = source
                files[source.folder / source.inner] = source.name
        # Read the other files, unless their stat has not changed, and go on with what they import.
        waiting = set()
        for (top, folder), sources in unversioned.items():
            read = memo.recall(folder, sources, partial(read_source, folder, top), f"{_READER} {'.'.join(top)}")
            code |= {sources[inner].label: entry["digest"] for inner, entry in read.items()}
            waiting.update(name for entry in read.values() for name in entry["imports"])
        waiting -= seen
    return Imported(tuple(sorted(modules)), dict(sorted(libraries.items())), dict(sorted(code.items())), files)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _find(name: str) -> _Source | None:
    """Return the file of a module; None for the standard library, a name within a module, or a missing module.

    `find_spec` is called for top-level names only: to find a submodule it would import the package.
    """
    top, *inner = name.split(".")
    if top in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module that a program created at run time
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        file = Path(spec.origin or "").absolute()
        return None if inner or not file.is_file() else _Source(name, (), file.parent, file.name)
    for folder in (Path(location).absolute() for location in spec.submodule_search_locations):
        if path := module_file(folder.joinpath(*inner)):
            return _Source(name, (top,), folder, path.relative_to(folder).as_posix())
    return None


def _providers(memo: StatCache, home: Path) -> Mapping[str, list[Path]]:
    """Return, for each top-level name in a folder, the metadata folders of the distributions that installed it.

    `importlib.metadata.packages_distributions` does the same for all folders, but reads every file each time.
    """
    # Names that begin with ~ are left over from failed upgrades by pip.
    names = os.listdir(home)  # noqa: PTH208 - creating hundreds of paths takes time
    folders = sorted(name for name in names if name.endswith(".dist-info") and name[0] != "~")
    by_name = defaultdict(list)
    for folder, tops in memo.recall(home, folders, _top_levels, _READER).items():
        for top in tops:
            by_name[top].append(home / folder)
    return by_name


def _top_levels(folder: Path) -> list[str]:
    lines = _text(folder / "RECORD").splitlines()  # one for each file: path, comma, hash
    return sorted({name for line in lines if (name := re.split("[/.,]", line, maxsplit=1)[0]).isidentifier()})


def _name_and_version(folder: Path) -> tuple[str, str] | None:
    """Return name and version of a distribution; None if the version does not identify its files."""
    origin = json.loads(_text(folder / "direct_url.json") or "{}")
    headers, _, _ = _text(folder / "METADATA").partition("\n\n")  # the description may be long
    fields = dict(re.findall(r"^(Name|Version): *(\S+)", headers, re.MULTILINE))
    if origin.keys() & _UNVERSIONED_ORIGINS or len(fields) < 2:
        return None
    return re.sub(r"[-_.]+", "-", fields["Name"]).lower(), fields["Version"]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
