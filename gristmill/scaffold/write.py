"""A draft made a project: a folder with a `pipelines.toml` that is known to be read."""

import re
import tempfile
from pathlib import Path

from gristmill import config
from gristmill.errors import RequestError
from gristmill.scaffold.draft import Draft, as_toml

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
_IGNORED = "/data/store/\n"  # where a project keeps its artifacts unless it says otherwise


def refuse_existing(folder: Path) -> None:
    """Refuse a folder that is a project already.

    Raises:
        RequestError: it has a `pipelines.toml`.
    """
    if (folder / config.FILE).exists():
        raise RequestError(f"{folder / config.FILE} is there already, and is kept. Name another folder, or edit it.")


def write_project(folder: Path, name: str, draft: Draft) -> Path:
    """Write `pipelines.toml`, and `.gitignore` where there is none, and return the path of the first.

    Raises:
        RequestError: it is there already, which may have come about meanwhile.
    """
    text = as_toml(name, draft)
    _check(text)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / config.FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        refuse_existing(folder)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    return path


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
    """Fail loudly where the text is not what `gristmill run` reads: that is no mistake of the user's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, config.FILE).write_text(text, encoding="utf-8")
        try:
            config.load(Path(folder))
        except RequestError as error:
            raise RuntimeError(f"init proposed what gristmill itself refuses: {error}") from error
