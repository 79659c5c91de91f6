"""Locations of data in `pipelines.toml`, resolved to files.

A location is
- a file, a folder, or a pattern with `*`, `?` or `[…]` in which `**` matches any folders: absolute, or searched for in
  the project and then in each folder of `GRISTMILL_DATA`, which is written like `PATH`;
- `package://NAME/file`: a file, folder or pattern inside an installed package, which is not imported;
- a URL: the stage that reads the file fetches it into the store (`store/downloads.py`). With `refresh`, each run asks
  for its current content first.
"""

import contextlib
import errno
import glob
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from stat import S_ISREG
from typing import NoReturn

from gristmill.errors import DataError, RequestError, short_repr
from gristmill.settings.base import URL_SCHEMES, check_location
from gristmill.util.urls import file_name, read_latest, redact, refreshed_folder

SEARCH_PATH = "GRISTMILL_DATA"

_PACKAGE = "package://"
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class Located:
    """Files of a location."""

    files: tuple[Path, ...]  # sorted, at least one
    url: str | None = None  # from which the file may still have to be fetched
    sha256: str | None = None  # expected hash of the file


def fetch_missing(tables: Iterable[object], root: Path) -> None:
    """Fetch the data of all tables that have a method `fetch`; `root` is the project's folder."""
    for table in tables:
        if fetch := getattr(table, "fetch", None):
            fetch(root)


def check_requested(location: str, option: str) -> None:
    """Raise `RequestError`, without secrets, if a location given with an option has a secret or an unknown scheme."""
    try:
        check_location(location)
    except ValueError as error:
        raise RequestError(f"{option}: expected {error}. Received: {redact(location)!r}.") from None


def search_folders() -> list[Path]:
    """Return the folders of `GRISTMILL_DATA`."""
    return [Path(folder) for folder in os.environ.get(SEARCH_PATH, "").split(os.pathsep) if folder]


def locate(
    location: str,
    root: Path,
    needed_by: str,
    downloads: Path,
    sha256: str | None = None,
    suffixes: tuple[str, ...] = ("",),
    refresh: bool = False,
) -> Located:
    """Return the files of a location, in the first of its possible folders that has any.

    Args:
        location: as written in `pipelines.toml`.
        root: the project's folder.
        needed_by: table and key of the location, for errors.
        downloads: folder of fetched files, each in a folder named by its SHA-256.
        sha256: expected hash of the file; required for a URL without `refresh`.
        suffixes: endings, in lower case, of the files to read in a folder, without hidden files and linked folders.
        refresh: whether the file is the last content that a URL had (`refresh` in `store/downloads.py`).

    Raises:
        DataError: nothing was found, a folder cannot be read, or the name of a file is not UTF-8.
    """
    # The file of a URL has its place in the store, even before it is fetched.
    if location.startswith(URL_SCHEMES):
        if refresh:
            downloads = refreshed_folder(location, downloads)
            sha256 = read_latest(downloads).get("sha256")
            if sha256 is None:
                raise DataError(f"{needed_by}: {location} was not fetched yet. The next run fetches it.")
        if sha256 is None:
            raise DataError(
                f"{needed_by}: {redact(location)} can be read only where its sha256 is known. Fetch it, and give its "
                "path."
            )
        return Located((downloads / sha256 / file_name(location),), location, sha256)
    # Other files are searched for.
    candidates = list(_candidates(location, root, needed_by))
    for folder, name in candidates if location else []:
        with contextlib.suppress(ValueError):  # a NUL in a name: no such file
            if files := _files_at(folder.absolute(), name, suffixes):
                _check_names(files, needed_by)
                return Located(tuple(files), sha256=sha256)
    # Say what is missing, and where it was expected.
    missing, paths = f"no such file '{location}'", [folder / name for folder, name in candidates]
    with contextlib.suppress(OSError, ValueError):
        if location and any(path.is_dir() for path in paths):
            kinds = f"no file{' ' * any(suffixes)}{' or '.join(filter(None, suffixes))}"
            missing = f"{kinds} in the folder '{location}'"
        elif glob.has_magic(location):
            missing = f"no file matches '{location}'"
    is_fixed = location.startswith((_PACKAGE, "/"))
    remedy = "or correct the path" if is_fixed else f"correct the path, or name its folder in {SEARCH_PATH}"
    raise DataError(f"{needed_by}: {missing}. Tried: {', '.join(map(str, paths))}. Put it there, {remedy}.")


def _candidates(location: str, root: Path, needed_by: str) -> Iterator[tuple[Path, str]]:
    """Yield a folder and a name or pattern in it, for each possible meaning of a location."""
    if location.startswith(_PACKAGE):
        package, _, name = location.removeprefix(_PACKAGE).partition("/")
        spec = None
        if package.isidentifier():
            with contextlib.suppress(ValueError):  # a module created at run time
                spec = importlib.util.find_spec(package)  # which does not import it
        if spec is None or not spec.submodule_search_locations:
            raise DataError(f"{needed_by}: no package {package!r} is installed. Install it, or correct the place.")
        yield from ((Path(folder), name) for folder in spec.submodule_search_locations)
        return
    path = Path(re.sub("^/+", "/", location))
    with contextlib.suppress(RuntimeError):  # the home of an unknown user: taken literally, and not found
        path = path.expanduser()
    below = Path(*dropwhile("..".__eq__, path.parts))
    up = path.parts[: len(path.parts) - len(below.parts)]
    for folder in [root] if path.is_absolute() else [root, *search_folders()]:
        if up:
            folder = Path(os.path.realpath(folder.joinpath(*up)))  # `..` follows links
        yield folder, str(below)


def _files_at(folder: Path, name: str, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the file itself, the files below the folder, or those that match the pattern; sorted."""
    with contextlib.suppress(OSError):  # the name is too long or the folder is not readable: no such file
        if (folder / name).is_file():
            return [folder / name]
        if (folder / name).is_dir():
            return sorted(_files_below(folder / name, suffixes))
        if glob.has_magic(name):
            matches = glob.glob(name, root_dir=folder, recursive=True)  # noqa: PTH207  # Path.glob finds hidden files
            return sorted(path for match in matches if _is_file(path := folder / match))
    return []


def _files_below(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for inner, folders, names in os.walk(folder, onerror=_stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = os.path.join(inner, name)  # noqa: PTH118 - for each photo, see `_is_file`
            if not name.startswith(".") and name.lower().endswith(suffixes) and _is_file(path):
                yield Path(path)


def _is_file(path: str | Path) -> bool:
    """Return whether a path is a file; raise `DataError` if that is not known."""
    try:
        return S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - for each photo, and Path takes several times as long
    except OSError as error:
        if error.errno not in _NO_FILE:
            _stop(error)
        return False


def _stop(error: OSError) -> NoReturn:
    """Stop at a file or folder that cannot be read, so that it is not left out silently."""
    raise DataError(f"{error.filename}: cannot be read ({error.strerror}). Fix its permissions.")


def _check_names(files: Iterable[Path], needed_by: str) -> None:
    """Check that names are valid in the file system's encoding: no table, record or message could hold others."""
    for path in files:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            name = short_repr(str(path), 300)
            text = f"{needed_by}: the name of the file {name} is not UTF-8. Rename it, or move it away."
            raise DataError(text) from None
