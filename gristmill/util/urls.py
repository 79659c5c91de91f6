"""Redact secrets in URLs and messages."""

import re
from typing import Any
from urllib.parse import unquote

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
