"""A user's own code: a model, `kind = "my_models.py:build"`, or a function that a setting names.

The file lies in the project. Its bytes, and those of every file next to it that it imports, are hashed like data, so an
edit in any of them makes its results stale.
"""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from gristmill.errors import GristmillError, RequestError, WorkError
from gristmill.settings.base import CodeFile, Settings

_MISSING_LIBRARY = "cannot open shared object file"  # of a system library
# In messages of Keras, of the loader, and of TensorFlow and CUDA whose memory is full.
_MAY_PASS = ("URL fetch failure", _MISSING_LIBRARY, "ResourceExhaustedError", "out of memory")


class CustomCode(Settings):
    """A function in a file of the project; all further keys of its table are its keyword arguments."""

    kind: str
    file: CodeFile
    function: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or {"file", "function", "arguments"} <= set(raw):
            return raw
        file, _, function = str(raw["kind"]).rpartition(":")
        arguments = {key: value for key, value in raw.items() if key != "kind"}
        return {"kind": raw["kind"], "file": file, "function": function, "arguments": arguments}

    def load(self, files: Sequence[Path], argument: str = "the shape") -> Callable[..., Any]:
        """Return the function with this table's arguments; `files` are the file and those next to it that it imports.

        `argument` describes what the function is called with, for messages. Loading and calling it raise a
        `RequestError` if the file cannot be imported, has no function that takes these arguments, or raises an error.
        """
        # Import the file.
        file, imports = files[0], _SiblingImports(files)
        with _errors_in_one_line(files), imports:
            spec = importlib.util.spec_from_file_location(f"gristmill_own_{file.stem}", file)
            if spec is None or spec.loader is None:
                raise RequestError(f"{file}: not a Python file.")
            module = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(module)
            except (ImportError, SyntaxError, NameError) as error:
                kind = WorkError if _MISSING_LIBRARY in str(error) else RequestError
                raise kind(f"{file}: cannot be imported ({error}). Fix it.") from None
        # Check the function and its arguments.
        function = getattr(module, self.function, None)
        if not callable(function):
            raise RequestError(f"{file}: no function {self.function!r}. Correct {self.kind!r}.")
        try:
            inspect.signature(function).bind(None, **self.arguments)
        except TypeError as error:
            raise RequestError(
                f"{file}: {self.function}() does not accept the arguments of its table ({error}). It is called with "
                f"{argument} and then {', '.join(self.arguments) or 'nothing else'}."
            ) from None

        def call(value: Any) -> Any:
            with _errors_in_one_line(files), imports:  # the function may import more when it is called
                return function(value, **self.arguments)

        return call


@contextmanager
def _errors_in_one_line(files: Sequence[Path]) -> Iterator[None]:
    """Turn an exception of the user's code into one line that names function, file and line.

    It is a `WorkError` if a later run may not meet it: a file or a system library is missing, a server cannot be
    reached, or memory of a device is full.
    """
    try:
        yield
    except (GristmillError, MemoryError):
        raise
    except Exception as error:  # the user's code can raise anything; `--debug` shows the traceback
        frames = traceback.extract_tb(error.__traceback__)
        frame = ([frame for frame in frames if Path(frame.filename) in files] or frames)[-1]
        name = "the module" if frame.name == "<module>" else frame.name
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(" :.")
        may_pass = isinstance(error, OSError) or any(part in text for part in _MAY_PASS)
        kind = WorkError if may_pass else RequestError
        raise kind(f"{name} raised {text} ({Path(frame.filename).name}, line {frame.lineno}). Fix it.") from error


class _SiblingImports:
    """Let a file import the files next to it, and remove them from `sys.modules` afterwards.

    Their byte code is removed first, because Python would run stale byte code if an edited source has the same size and
    the same time in seconds.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._folder = str(files[0].parent)
        self._files = {str(file) for file in files}
        self._modules: dict[str, ModuleType] = {}
        for file in files:
            Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
        importlib.invalidate_caches()

    def __enter__(self) -> None:
        sys.path.insert(0, self._folder)
        sys.modules |= self._modules

    def __exit__(self, *error: object) -> None:
        sys.path.remove(self._folder)
        # A module that loads lazily imports others when it is asked for an attribute, and may fail.
        files = {name: getattr(module, "__dict__", {}).get("__file__") for name, module in list(sys.modules.items())}
        self._modules = {name: sys.modules[name] for name, file in files.items() if file in self._files}
        for name in self._modules:
            del sys.modules[name]


def is_custom(kind: object) -> bool:
    """Return whether a `kind` names a function in a file."""
    file, colon, function = str(kind).rpartition(":")
    return bool(colon) and file.endswith(".py") and function.isidentifier()


def _as_table(raw: Any) -> Any:
    if isinstance(raw, CustomCode):
        return raw
    if not isinstance(raw, str) or not is_custom(raw):
        raise ValueError('a text that names a file of the project and a function, such as "clean.py:prepare"')
    return {"kind": raw}


OwnFunction = Annotated[
    CustomCode,
    BeforeValidator(_as_table, json_schema_input_type=str),
    PlainSerializer(lambda code: code.kind, return_type=str),
]
"""A function that a setting names: "clean.py:prepare"."""


def code_of(table: Settings) -> Iterator[tuple[str, CustomCode]]:
    """Yield the own code of a table, which may be the table itself, and the key that names its file."""
    if isinstance(table, CustomCode):
        yield "file", table
        return
    for key in type(table).model_fields:
        if isinstance(code := getattr(table, key), CustomCode):
            yield key, code
