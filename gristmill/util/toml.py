"""Keys and values written as TOML."""

import json
import re
from datetime import date, time
from typing import Any


def toml_value(value: Any) -> str:
    """Return a value as TOML on one line."""
    match value:
        case dict() if value:
            return f"{{ {', '.join(f'{toml_key(key)} = {toml_value(inner)}' for key, inner in value.items())} }}"
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case date() | time():
            return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def toml_key(name: str) -> str:
    """Return a key as TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
