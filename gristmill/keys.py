"""Every hash gristmill makes.

An artifact's key is the SHA-256 of what can change its content: the stage, the code that computes it (`closure.py`),
its settings, the digests of its inputs and the versions of Python and of the libraries it uses. Nothing else names an
artifact, so a key that is found is a result that is right. Golden tests pin keys (`tests/gristmill/test_keys.py`).
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from gristmill.errors import WorkError

FORMAT = 2  # raise it when the layout of artifacts or of keys changes: every key changes with it
PYTHON = "python"  # stands among the libraries

# Without the patch release: 3.11 and 3.12 differ in semantics and in the standard library, while 3.11.8 only fixes
# faults of 3.11.7. Few results would change by that, and each of them would be made again at every security release.
_PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Identity:
    """A stage's key and everything it was made of."""

    stage: str
    key: str
    parts: dict[str, Any]  # stage, format, code, settings, inputs, libraries


def identify(
    stage: str,
    code: Mapping[str, str],
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    libraries: Mapping[str, str],
) -> Identity:
    """Return the identity of a stage's result.

    Args:
        stage: name of the stage.
        code: module name to hash of its normalised source (`closure.code_closure`).
        settings: table name to the values that can change the result.
        inputs: name to digest of what the stage reads: artifacts of other stages, files of a source.
        libraries: distribution name to version, and Python's (`library_versions`).
    """
    parts = {
        "stage": stage,
        "format": FORMAT,
        "code": dict(code),
        "settings": dict(settings),
        "inputs": dict(inputs),
        "libraries": dict(libraries),
    }
    return Identity(stage, digest_of(parts), parts)


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form, in which 1, 1.0, True and "1" differ."""
    return digest_of_bytes(json.dumps(_tagged(value), separators=(",", ":"), ensure_ascii=True).encode())


def digest_of_bytes(content: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tagged(value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int():
            return {"int": str(value)}
        case float():
            return {"float": value.hex()}
        case list() | tuple():
            return [_tagged(item) for item in value]
        case dict():
            return {"dict": [[key, _tagged(value[key])] for key in sorted(value)]}
    raise TypeError(f"only JSON values have a digest. Received: {value!r} of type {type(value).__name__}")


def library_versions(libraries: tuple[str, ...], extras: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the version of Python and the installed one of each distribution, from its metadata: nothing is imported.

    Args:
        libraries: what gristmill does not work without.
        extras: what it can do without; "not installed" stands for a version of one that is not there.

    Raises:
        WorkError: one of the libraries is not installed.
    """
    try:
        found = {PYTHON: _PYTHON_VERSION} | {name: _version(name) for name in libraries}
    except metadata.PackageNotFoundError as error:
        raise WorkError(f"{error.name} is not installed. Install gristmill's requirements.") from None
    for name in extras:
        try:
            found[name] = _version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def _version(library: str) -> str:
    return metadata.version(library)
