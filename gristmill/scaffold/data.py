"""The data that a pipeline is proposed for: where it lies, and how `pipelines.toml` calls that."""

import glob
import os
from dataclasses import dataclass, replace
from pathlib import Path

from gristmill.errors import RequestError
from gristmill.runs.locations import SEARCH_PATH, locate, search_folders

_UP = 2  # steps from the project to a folder that it shares with its data


@dataclass(frozen=True)
class Data:
    """A file, a folder, a pattern, or what lies in a package."""

    place: str  # absolute, or package://…
    project: Path  # the folder of pipelines.toml, absolute

    @property
    def written(self) -> str:
        """The place as pipelines.toml has it: from its own folder on, or from one of GRISTMILL_DATA, where it can."""
        if "://" in self.place:
            return self.place
        for folder in (self.project, *search_folders()):
            if folder in Path(self.place).parents:
                return Path(self.place).relative_to(folder).as_posix()
        return self._beside() or self.place

    @property
    def warning(self) -> str:
        """What is to be said of the place as written: that it holds on this machine alone; empty where it does not."""
        absolute = "://" not in self.written and Path(self.written).is_absolute()
        return f"on this machine: {SEARCH_PATH} can hold its folder, and the name suffices" if absolute else ""

    @property
    def called(self) -> str:
        """The last part of the place."""
        return self.place.rstrip("/").rpartition("/")[2]

    def _beside(self) -> str | None:
        """Return the place from the project's folder on, if that leads a few steps up and not to the root."""
        project, folder = Path(os.path.realpath(self.project)), Path(os.path.realpath(Path(self.place).parent))
        shared = os.path.commonpath([project, folder])
        up = len(project.parts) - len(Path(shared).parts)
        if up > _UP or shared == project.anchor:
            return None
        return Path(os.path.relpath(folder, project), Path(self.place).name).as_posix()

    def at(self, path: Path) -> "Data":
        """Return the data of the same project at another place."""
        return replace(self, place=str(path))

    def files(self, suffixes: tuple[str, ...] = ("",)) -> tuple[Path, ...]:
        """Return the files, in a folder those whose names end in one of the suffixes.

        Raises:
            DataError: there is none.
        """
        return locate(self.place, self.project, "--data", downloads=self.project, suffixes=suffixes).files


def data_at(given: str, project: Path) -> Data:
    """Return the data at a place that is given from the current folder on, or else from a folder of GRISTMILL_DATA.

    Raises:
        RequestError: the project lies in the data, and so would what its runs write.
    """
    root = _absolute(project)
    if "://" in given:
        return Data(given, root)
    places = [_absolute(Path(folder, given)) for folder in (Path(), *search_folders())]
    path = next(filter(_is_there, places), places[0])
    if path.is_dir() and root.is_relative_to(path):
        raise RequestError(
            f"--data {given}: the project {project} lies in it, and so would all that its runs write. Name a folder "
            "within it as --data, or make the project elsewhere."
        )
    return Data(str(path), root)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - no link followed


def _is_there(path: Path) -> bool:
    return path.exists() or any(glob.iglob(str(path), recursive=True))  # noqa: PTH207  # Path.glob finds hidden files
