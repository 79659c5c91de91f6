"""Location of the data of a proposed pipeline, and how `pipelines.toml` names it."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gristmill.errors import DataError, RequestError
from gristmill.runs.locations import SEARCH_PATH, check_requested, locate, search_folders
from gristmill.scaffold.proposal import Guess
from gristmill.settings.base import URL_SCHEMES
from gristmill.store.downloads import fetch_new
from gristmill.util.urls import file_name


@dataclass(frozen=True, eq=False)
class Data:
    """A file, a folder, a pattern, or a file in a package."""

    place: str  # absolute, or package://…
    project: Path  # the folder of pipelines.toml, absolute
    downloads: Path | None = None  # folder with the file of a URL, below its SHA-256
    sha256: str | None = None

    @property
    def written(self) -> str:
        """Return the place for pipelines.toml: relative to the project or a folder of GRISTMILL_DATA, if possible."""
        if "://" in self.place:
            return self.place
        for folder in (self.project, *search_folders()):
            if folder in Path(self.place).parents:
                return Path(self.place).relative_to(folder).as_posix()
        project = Path(os.path.realpath(self.project))
        folder = Path(os.path.realpath(Path(self.place).parent))
        shared = os.path.commonpath([project, folder])
        steps_up = len(project.parts) - len(Path(shared).parts)
        if shared == project.anchor or steps_up > 2:
            return self.place
        return Path(os.path.relpath(folder, project), Path(self.place).name).as_posix()

    @property
    def name(self) -> str:
        """Return the last part of the place."""
        return file_name(self.place) if self.sha256 else self.place.rstrip("/").rpartition("/")[2]

    def source_guesses(self, kind: str, why: str = "") -> list[Guess]:
        """Return kind and path of a source; an absolute path gets a warning."""
        absolute = "://" not in self.written and Path(self.written).is_absolute()
        warning = f"on this machine; list its folder in {SEARCH_PATH} to write only the name" if absolute else ""
        guesses = [Guess("kind", kind, why), Guess("path", self.written, warning)]
        if self.sha256:
            guesses.append(
                Guess("sha256", self.sha256, "of the file today; if it changes, write refresh = true instead")
            )
        return guesses

    def at(self, path: Path) -> "Data":
        """Return the data of the same project at another place."""
        return replace(self, place=str(path), sha256=None)

    def files(self, suffixes: tuple[str, ...] = ("",)) -> tuple[Path, ...]:
        """Return the files, in a folder those with one of the suffixes; raise `DataError` if there is none."""
        downloads = self.downloads or self.project
        return locate(self.place, self.project, "--data", downloads, self.sha256, suffixes).files


def data_at(place: str, project: Path, downloads: Path | None = None) -> Data:
    """Return the data at a place relative to the current folder, or else to a folder of GRISTMILL_DATA.

    The file of a URL is fetched into the folder `downloads`.

    Raises:
        RequestError: the scheme is unknown, the URL has a secret, or the folder contains the project.
        DataError: the file of a URL cannot be fetched.
    """
    root = _absolute(project)
    check_requested(place, "--data")
    if place.startswith(URL_SCHEMES) and downloads:
        return Data(place, root, downloads, fetch_new(place, downloads))
    if "://" in place:
        return Data(place, root)
    paths = [_absolute(Path(folder, place)) for folder in (Path(), *search_folders())]
    existing = (
        path
        for path in paths
        if path.exists() or any(glob.iglob(str(path), recursive=True))  # noqa: PTH207  # Path.glob finds hidden files
    )
    path = next(existing, paths[0])
    if path.is_dir() and root.is_relative_to(path):
        raise RequestError(
            f"--data {place}: contains the project {project}, and so everything that its runs write. Name a folder "
            "inside it as --data, or make the project elsewhere."
        )
    return Data(str(path), root)


@contextmanager
def naming_url(data: Data) -> Iterator[None]:
    """Name the URL of data in errors, rather than the folder into which its file was fetched."""
    try:
        yield
    except DataError as error:
        if not data.sha256:
            raise
        raise DataError(str(error).replace(str(data.files()[0]), data.place)) from None


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - no link followed
