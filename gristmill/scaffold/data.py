"""The data that a pipeline is proposed for: where it lies, and how `pipelines.toml` calls that."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from gristmill.errors import RequestError
from gristmill.places import locate


@dataclass(frozen=True)
class Data:
    """A file, a folder, a pattern, or what lies in a package."""

    place: str  # absolute, or package://…
    project: Path  # the folder of pipelines.toml, absolute

    @property
    def written(self) -> str:
        """The place as pipelines.toml has it: from its own folder on, where the data lies in that."""
        if "://" in self.place or not Path(self.place).is_relative_to(self.project):
            return self.place
        return Path(self.place).relative_to(self.project).as_posix()

    @property
    def called(self) -> str:
        """The last part of the place."""
        return self.place.rstrip("/").rpartition("/")[2]

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
    """Return the data at a place that is given from the current folder on.

    Raises:
        RequestError: the project lies in the data, and so would what its runs write.
    """
    root, path = (Path(os.path.abspath(Path(name).expanduser())) for name in (project, given))  # noqa: PTH100 - no link followed
    if "://" in given:
        return Data(given, root)
    if path.is_dir() and root.is_relative_to(path):
        raise RequestError(
            f"--data {given}: the project {project} lies in it, and so would all that its runs write. Name a folder "
            "within it as --data, or make the project elsewhere."
        )
    return Data(str(path), root)
