"""The file `pipelines.toml`: where it is, and its content before it is validated (`catalogue.py`)."""

import tomllib
from pathlib import Path
from typing import Any

from gristmill.config.toml_lines import invalid_toml
from gristmill.errors import RequestError

PIPELINES_FILE = "pipelines.toml"


def find_project_folder() -> Path:
    """Return the nearest folder at or above the current one that holds a `pipelines.toml`."""
    here = Path.cwd()
    for folder in [here, *here.parents]:
        if (folder / PIPELINES_FILE).is_file():
            return folder
    raise RequestError(
        f"{here}: no {PIPELINES_FILE} here or in a folder above. Change to a project's folder, or make one: "
        "gristmill init --help."
    )


def read_toml(root: Path) -> dict[str, Any]:
    """Return the content of the `pipelines.toml` of `root`; raise `RequestError` if it is missing or not TOML."""
    file = root / PIPELINES_FILE
    text = ""
    try:
        text = file.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise RequestError(f"{file}: cannot be read ({error.strerror}). Run in a project's folder.") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or thousands of digits or brackets
        raise RequestError(f"{file}{invalid_toml(error, text)}") from None
