"""Where files of URLs are kept: their names, and the folders with the contents of URLs that are read again."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

from gristmill import keys

LATEST = "latest.json"  # in the folder of a URL with `refresh`: what is known of its last content

_MAX_NAME_LENGTH = 100


def file_name(url: str) -> str:
    """Return the name of the file at a URL."""
    name = Path(unquote(re.split("[?#]", url)[0])).name.replace("\0", "").lstrip(".")[-_MAX_NAME_LENGTH:]
    return name or "file"


def refreshed_folder(url: str, downloads: Path) -> Path:
    """Return the folder with the last contents of a URL with `refresh`, each in a folder named by its SHA-256."""
    return downloads / "refreshed" / keys.digest_of(url)


def read_latest(folder: Path) -> dict[str, str]:
    """Return what is known of the last content of a URL with `refresh`; empty if nothing is."""
    try:
        known: dict[str, str] = json.loads((folder / LATEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return known
