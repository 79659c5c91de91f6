"""A draft made a project: a folder with a `pipelines.toml` that is known to be read."""

import re
import tempfile
from pathlib import Path

from gristmill.config import catalogue
from gristmill.errors import RequestError
from gristmill.scaffold.proposal import Proposal, as_toml

IGNORED = "/data/store/"  # where a project keeps its artifacts unless it says otherwise

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


def refuse_existing(folder: Path) -> None:
    """Refuse a folder that is a project already, or can be none.

    Raises:
        RequestError: it has a `pipelines.toml`, or it or one above is a file.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise RequestError(f"{there}: a file, so no project can be made there. Name a folder.")
    if (folder / catalogue.PIPELINES_FILE).exists():
        raise RequestError(
            f"{folder / catalogue.PIPELINES_FILE} is there already, and is kept. Name another folder, or edit it."
        )


def write_project(folder: Path, name: str, draft: Proposal) -> Path:
    """Write `pipelines.toml`, and `.gitignore` where there is none, and return the path of the first.

    Raises:
        RequestError: it is there already, which may have come about meanwhile.
    """
    text = as_toml(name, draft)
    _check(text)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / catalogue.PIPELINES_FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        refuse_existing(folder)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text(f"{IGNORED}\n", encoding="utf-8")
    return path


def is_store_ignored(folder: Path) -> bool:
    """Whether a project's `.gitignore` names the folder of artifacts, or the one above it."""
    lines = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.strip().strip("/") in ("data/store", "data") for line in lines)


def pipeline_name(asked: str | None, called: str) -> str:
    """Return the name of the pipeline: the one asked for, or that of the data without endings.

    Raises:
        RequestError: the one asked for holds what no name may.
    """
    if asked is not None:
        if not re.fullmatch(_NAME, asked):
            raise RequestError(f"--name {asked}: a pipeline's name has only letters, digits, - and _.")
        return asked
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", called.partition(".")[0]).strip("_-")
    return stem or "first"


def _check(text: str) -> None:
    """Fail loudly where the text is not what `gristmill run` reads: that is no mistake of the user's.

    Raises:
        RequestError: the environment is wrong, such as GRISTMILL_STORE: a file without pipelines does not hold either.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / catalogue.PIPELINES_FILE).touch()
        catalogue.load(folder)
        (folder / catalogue.PIPELINES_FILE).write_text(text, encoding="utf-8")
        try:
            catalogue.load(folder)
        except RequestError as error:
            raise RuntimeError(f"init proposed what gristmill itself refuses: {error}") from error
