"""URLs: secrets in them and in messages, and where their files are kept.

The contents of URLs that are read again have a folder each, named by the hash of the URL.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gristmill import keys

LATEST = "latest.json"  # in the folder of a URL with `refresh`: what is known of its last content

_MAX_NAME_LENGTH = 100
_SECRET = re.compile(
    r"auth(?!or(?!i[sz]))|credential|passw|pwd|secret|signature|token(?!s|i[sz])|(access|api)[-_]?key|key-?pair-?id"
    r"|^(key|policy|sig)$",
    re.IGNORECASE,
)
"""Matches names of URL parameters that hold a secret."""


def find_secret(text: str) -> str | None:
    """Return what kind of secret the URLs in a text contain; None if nothing looks like one."""
    for rest in text.split("://")[1:]:
        authority = re.sub(r"\[.*?\]", "", re.split("[/?#]", rest, maxsplit=1)[0])  # [::1] has colons too
        if "@" in authority or re.search(r":(?!\d*$)", authority):
            return "a user or a password"
        for parameter in re.split("[?#&;]", rest)[1:]:  # in the query and in the fragment
            name, equals, _ = parameter.partition("=")
            if equals and is_secret_name(unquote(name)):
                return f"the parameter {unquote(name)!r}"
    return None


def is_secret_name(name: str) -> bool:
    """Return whether a parameter or variable of this name usually holds a secret."""
    return bool(_SECRET.search(name))


def redact(value: Any) -> Any:
    """Return a value for a message; a string with a secret is cut after the URL's scheme."""
    match value:
        case str() if find_secret(value):
            return f"{value.partition('://')[0]}://…"
        case dict():
            return {key: redact(inner) for key, inner in value.items()}
        case list() | tuple():
            return type(value)(map(redact, value))
    return value


def strip_credentials(text: str) -> str:
    """Return a text without the user and password of a URL in it."""
    return re.sub(r"://\S*@", "://", text)


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
