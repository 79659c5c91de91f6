"""All hashes that gristmill computes.

An artifact's key is the SHA-256 of everything that can change its content: the stage, its code (`code_closure.py`), its
settings, the digests of its inputs, and the versions of Python and of the libraries it uses. An artifact found under a
key is therefore the right result. Golden tests pin keys (`tests/gristmill/test_keys.py`).
"""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from gristmill.errors import WorkError

FORMAT = 4  # raise it when the layout of artifacts or of keys changes: every key changes with it
PYTHON = "python"  # name of Python's version among those of the libraries

# The patch release is left out. 3.11 and 3.12 differ in semantics and in the standard library, but 3.11.8 only fixes
# bugs of 3.11.7, and every security release would make all results stale.
_PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

# Bytes read at a time; `hashlib.file_digest` zeroes 256 KiB for each of a hundred thousand photos.
_BLOCK_BYTES = 1 << 16
_SYSTEM_LIBRARIES = {"lightgbm": "libgomp.so.1"}
"""Library of the system that a distribution needs and does not ship, on Linux."""


@dataclass(frozen=True)
class Identity:
    """Key of a stage's result and everything it was computed from."""

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
        code: module to hash of its normalised source (`code_closure`).
        settings: table to the values that can change the result.
        inputs: digest of everything that the stage reads, by name: artifacts of other stages, files of a source.
        libraries: version of each distribution and of Python (`library_versions`).
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
    sha256 = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            sha256.update(block)
    return sha256.hexdigest()


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
    """Return the versions of Python and of distributions, from their metadata: nothing is imported.

    "not installed" is the version of a missing extra; a missing library raises `WorkError`. A distribution whose system
    library is missing has a version like "4.7.0, not loadable".
    """
    versions = {PYTHON: _PYTHON_VERSION}
    for name in (*libraries, *extras):
        try:
            versions[name] = _version(name)
        except metadata.PackageNotFoundError:
            if name in libraries:
                raise WorkError(f"{name} is not installed. Install gristmill's requirements.") from None
            versions[name] = "not installed"
    return versions


@cache
def _version(name: str) -> str:
    distribution = metadata.distribution(name)
    headers, _, _ = (distribution.read_text("METADATA") or "").partition("\n\n")
    # `distribution.version` parses the whole file, with its long description.
    line = re.search(r"^Version: *(\S+)$", headers, re.MULTILINE)
    version = line[1] if line else distribution.version
    return version if name not in _SYSTEM_LIBRARIES or _can_load(name) else f"{version}, not loadable"


def _can_load(name: str) -> bool:
    """Return whether the system library of a distribution can be loaded; the distribution is not imported."""
    import ctypes  # late: few pipelines need it

    library = _SYSTEM_LIBRARIES[name]
    if sys.platform == "darwin":  # the distribution's own library knows where macOS keeps the other
        library = str(metadata.distribution(name).locate_file(f"{name}/lib/lib_{name}.dylib"))
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
