"""Where data lies: places in `pipelines.toml` resolved to files.

A place is
- a file, a folder, or a pattern with `*`, `?` or `[…]` in which `**` stands for any folders: absolute, or sought in the
  project and then in each folder of `GRISTMILL_DATA`, which is written like `PATH`;
- `package://NAME/file`: a file, folder or pattern inside an installed package, which is not imported;
- a URL: the file is fetched by the stage that reads it (`downloads.py`) and lies in the store from then on.
"""

import contextlib
import glob
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import unquote

from gristmill.errors import DataError, short_repr
from gristmill.settings.base import URL_SCHEMES
from gristmill.util.urls import redact

SEARCH_PATH = "GRISTMILL_DATA"

_PACKAGE = "package://"
_SOUGHT = f"correct the path, or name its folder in {SEARCH_PATH}"
_LONGEST = 100  # characters of a file's name that is taken from a URL
_UNNAMED = "file"  # the name of what lies at a URL without one


@dataclass(frozen=True)
class Located:
    """The files that a place names."""

    files: tuple[Path, ...]  # sorted; never none
    url: str | None = None  # where the file comes from that may not have been fetched yet
    sha256: str | None = None  # what the file's bytes must hash to


@runtime_checkable
class Provider(Protocol):
    """Settings of data that can be fetched to where it is sought."""

    def fetch(self, root: Path) -> None:
        """Have the data there, or raise `DataError`; `root` is the project's folder."""
        ...


def fetch_missing(tables: Iterable[object], root: Path) -> None:
    """Have the data of all tables that can fetch it where it is sought."""
    for table in tables:
        if isinstance(table, Provider):
            table.fetch(root)


def search_folders() -> list[Path]:
    """Return the folders in which data is sought that does not lie in the project."""
    return [Path(folder) for folder in os.environ.get(SEARCH_PATH, "").split(os.pathsep) if folder]


def locate(
    place: str,
    root: Path,
    asked_by: str,
    downloads: Path,
    sha256: str | None = None,
    suffixes: tuple[str, ...] = ("",),
) -> Located:
    """Return the files that `place` names; of the places it may mean, the first that holds any.

    Args:
        place: as written in `pipelines.toml`.
        root: the project's folder.
        asked_by: table and key that name the place, for the error.
        downloads: folder of the files that were fetched, each in a folder named by its SHA-256.
        sha256: that the file must have; known for every URL.
        suffixes: ends of the names, in lower case, that count in a folder. Hidden files, and folders behind links, do
            not count there.

    Raises:
        DataError: nothing is there, with every place that was tried, a folder cannot be read, or a file's name is none.
    """
    if place.startswith(URL_SCHEMES):
        if sha256 is None:
            raise DataError(
                f"{asked_by}: {redact(place)} can be read only where its sha256 is known. Fetch it, and give its path."
            )
        name = Path(unquote(re.split("[?#]", place)[0])).name.replace("\0", "").lstrip(".")[-_LONGEST:] or _UNNAMED
        return Located((downloads / sha256 / name,), place, sha256)
    candidates = list(_candidates(place, root, asked_by))
    for folder, name in candidates if place else []:
        with contextlib.suppress(ValueError):  # a NUL in a name: not there
            if files := _files_at(folder, name, suffixes):
                _refuse_unreadable_names(files, asked_by)
                return Located(tuple(path.absolute() for path in files), sha256=sha256)
    tried = [folder / name for folder, name in candidates]
    remedy = "or correct the path" if place.startswith((_PACKAGE, "/")) else _SOUGHT
    raise DataError(
        f"{asked_by}: {_missing(place, tried, suffixes)}. Tried: {', '.join(map(str, tried))}. Put it there, {remedy}."
    )


def _candidates(place: str, root: Path, asked_by: str) -> Iterator[tuple[Path, str]]:
    """Yield what a place may mean: a folder, and a name or pattern in it."""
    if place.startswith(_PACKAGE):
        package, _, name = place.removeprefix(_PACKAGE).partition("/")
        yield from ((folder, name) for folder in _package_folders(package, asked_by))
        return
    given = Path(place)
    with contextlib.suppress(RuntimeError):  # the home of a user who is unknown: taken literally, and not found
        given = given.expanduser()
    yield from ((folder, str(given)) for folder in ([root] if given.is_absolute() else [root, *search_folders()]))


def _package_folders(name: str, asked_by: str) -> list[Path]:
    """Return the folders of an installed package, found without importing it."""
    spec = None
    if name.isidentifier():
        with contextlib.suppress(ValueError):  # a module that was made without saying from where
            spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{asked_by}: no package {name!r} is installed. Install it, or correct the place.")
    return [Path(folder) for folder in spec.submodule_search_locations]


def _files_at(folder: Path, name: str, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the file itself, the files below the folder, or those that match the pattern; sorted."""
    with contextlib.suppress(OSError):  # a name too long, a folder that may not be entered: not there
        if (folder / name).is_file():
            return [folder / name]
        if (folder / name).is_dir():
            return sorted(_files_below(folder / name, suffixes))
        if glob.has_magic(name):
            found = glob.glob(name, root_dir=folder, recursive=True)  # noqa: PTH207  # Path.glob finds hidden files
            return sorted(path for match in found if (path := folder / match).is_file())
    return []


def _files_below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for inner, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.lower().endswith(suffixes) and Path(inner, name).is_file():
                yield Path(inner, name)


def _refuse(error: OSError) -> None:
    """Stop at a folder that cannot be read: the files in it must not go missing unsaid."""
    raise DataError(f"{error.filename}: cannot be read ({error.strerror}). Mend its permissions.")


def _refuse_unreadable_names(files: Iterable[Path], asked_by: str) -> None:
    """Refuse a name that is not in the file system's encoding: no table, record or message could hold it."""
    for path in files:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{asked_by}: the name of the file {short_repr(str(path), 300)} is not UTF-8. Rename it, or move it "
                "away."
            ) from None


def _missing(place: str, tried: list[Path], suffixes: tuple[str, ...]) -> str:
    with contextlib.suppress(OSError, ValueError):
        if place and any(path.is_dir() for path in tried):
            return f"no file{' ' * any(suffixes)}{' or '.join(filter(None, suffixes))} in the folder '{place}'"
        if glob.has_magic(place):
            return f"no file matches '{place}'"
    return f"no such file '{place}'"
