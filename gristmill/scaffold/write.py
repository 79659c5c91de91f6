"""Write a proposal as a project: a folder with a `pipelines.toml` that gristmill can read."""

import re
import shutil
import tempfile
from pathlib import Path

from gristmill.config import catalogue
from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.errors import RequestError
from gristmill.scaffold.proposal import Proposal, as_toml

STORE_FOLDER = "/data/store/"  # default store of a project


def check_new_project(folder: Path) -> None:
    """Raise `RequestError` if a folder has a `pipelines.toml` already, or if it or one above is a file."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise RequestError(f"{existing}: a file, so no project can be made there. Name a folder.")
    if (folder / PIPELINES_FILE).exists():
        raise RequestError(f"{folder / PIPELINES_FILE} exists already, and is kept. Name another folder, or edit it.")


def write_project(folder: Path, name: str, proposal: Proposal) -> Path:
    """Write `pipelines.toml`, and `.gitignore` if there is none, and return the path of the first."""
    text = as_toml(name, proposal)
    _check_loads(text)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PIPELINES_FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        check_new_project(folder)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text(f"{STORE_FOLDER}\n", encoding="utf-8")
    return path


def keep_downloads(folder: Path, downloads: Path) -> None:
    """Move what was fetched into the store of a project, so that its first run does not fetch it again."""
    for fetched in downloads.iterdir():
        kept = catalogue.load(folder).store.root / "downloads" / fetched.name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(fetched, kept)


def is_store_ignored(folder: Path) -> bool:
    """Return whether a project's `.gitignore` names the folder of artifacts, or the one above it."""
    lines = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.strip().strip("/") in ("data/store", "data") for line in lines)


def pipeline_name(requested: str | None, data_name: str) -> str:
    """Return the requested name of the pipeline, or the name of the data without suffixes."""
    if requested is not None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", requested):
            raise RequestError(f"--name {requested}: a pipeline's name has only letters, digits, - and _.")
        return requested
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", data_name.partition(".")[0]).strip("_-")
    return stem or "first"


def _check_loads(text: str) -> None:
    """Raise `RuntimeError` if gristmill rejects its own proposal, which would be a bug."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, PIPELINES_FILE)
        path.touch()
        catalogue.load(path.parent)  # raises `RequestError` if the environment is invalid, such as GRISTMILL_STORE
        path.write_text(text, encoding="utf-8")
        try:
            catalogue.load(path.parent)
        except RequestError as error:
            raise RuntimeError(f"init proposed what gristmill itself rejects: {error}") from error
