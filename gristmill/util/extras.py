"""The extras of the package: libraries that only some settings need.

Their versions count in the key of a stage with such a setting and in no other, and a missing one is told before a run
begins.
"""

import importlib.util
from collections.abc import Iterable, Iterator

from gristmill.errors import RequestError

EXTRAS = {
    "dask": ("distributed",),
    "lite": ("ai_edge_litert",),
    "s3": ("s3fs",),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "subwords": ("sentencepiece", "tensorflow_text"),
}
"""Each extra and the modules that it brings."""

_EXTRA_BY_SETTING = {
    ("export.formats", "lite"): "lite",
    ("export.formats", "onnx"): "onnx",
    ("preprocess.level", "subword"): "subwords",
}


def libraries_of(tables: Iterable[object]) -> tuple[str, ...]:
    """Return the distributions of the extras that settings ask for, sorted."""
    modules = {module for asked in _settings_with_extra(tables) for module in EXTRAS[_EXTRA_BY_SETTING[asked]]}
    return tuple(sorted(module.replace("_", "-") for module in modules))


def check_installed(tables: Iterable[object]) -> None:
    """Refuse settings that ask for an extra that is not installed.

    Raises:
        RequestError: naming the setting and the module.
    """
    for key, value in _settings_with_extra(tables):
        require_extra(f"{key}: {value!r}", _EXTRA_BY_SETTING[key, value])


def require_extra(asked_by: str, extra: str) -> None:
    """Refuse to go on without an extra.

    Args:
        asked_by: what needs it, for the error.
        extra: its name.

    Raises:
        RequestError: one of its modules is not installed.
    """
    for module in EXTRAS[extra]:
        if importlib.util.find_spec(module) is None:
            raise RequestError(
                f"{asked_by} needs {module}, which is not installed. Run: pip install 'gristmill[{extra}]'."
            )


def _settings_with_extra(tables: Iterable[object]) -> Iterator[tuple[str, str]]:
    """Yield key and value of each setting that asks for an extra."""
    for table in tables:
        for key, value in _EXTRA_BY_SETTING:
            given = getattr(table, key.partition(".")[2], ())
            if value == given or (isinstance(given, tuple) and value in given):
                yield key, value
