"""Optional libraries of the package ("extras") that only some settings need.

Their versions count only in the key of a stage with such a setting. A missing one is reported before a run begins.
"""

import importlib.util
from collections.abc import Iterable, Iterator

from gristmill.errors import RequestError

EXTRAS = {
    "dask": ("distributed",),
    "heic": ("pillow_heif",),
    "lite": ("ai_edge_litert",),
    "s3": ("s3fs",),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "subwords": ("sentencepiece", "tensorflow_text"),
}
"""Each extra and the modules that it installs."""

_EXTRA_BY_SETTING = {
    ("export.formats", "lite"): "lite",
    ("export.formats", "onnx"): "onnx",
    ("preprocess.level", "subword"): "subwords",
}


def libraries_of(tables: Iterable[object]) -> tuple[str, ...]:
    """Return the distributions of the extras that settings need, and those that a kind names, sorted."""
    settings = list(tables)
    modules = {module.replace("_", "-") for _, _, extra in _needed_extras(settings) for module in EXTRAS[extra]}
    return tuple(sorted(modules.union(*(getattr(table, "libraries", ()) for table in settings))))


def check_installed(tables: Iterable[object]) -> None:
    """Raise `RequestError` if settings need an extra that is not installed."""
    for key, value, extra in _needed_extras(tables):
        require_extra(f"{key}: {value!r}", extra)


def require_extra(needed_by: str, extra: str) -> None:
    """Raise `RequestError`, which begins with `needed_by`, if a module of an extra is not installed."""
    for module in EXTRAS[extra]:
        if importlib.util.find_spec(module) is None:
            raise RequestError(
                f"{needed_by} needs {module}, which is not installed. Run: pip install 'gristmill[{extra}]'."
            )


def _needed_extras(tables: Iterable[object]) -> Iterator[tuple[str, str, str]]:
    """Yield key, value and extra of each setting that needs one."""
    for table in tables:
        for (key, value), extra in _EXTRA_BY_SETTING.items():
            setting = getattr(table, key.partition(".")[2], ())
            if value == setting or (isinstance(setting, tuple) and value in setting):
                yield key, value, extra
