"""How things are worded for people: mistakes in settings, scores."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, get_origin

from pydantic import ValidationError

from gristmill.settings import Settings
from gristmill.urls import masked

S = TypeVar("S", bound=Settings)

_COUNT_OR_SHARE = "a whole number, or a share below 1"
_COUNT_OR_SHARE_MISSED = {("int_type", None), ("less_than", 1.0)}  # Pydantic's errors where a number is neither


def suggestion(what: str, received: Any, known: Iterable[str]) -> str:
    """Return `unknown model 'dlinaer'. Did you mean 'dlinear'? Known: dense, dlinear.`"""
    names = sorted(known)
    return f"unknown {what} {masked(received)!r}.{meant(str(received), names)} Known: {', '.join(names) or 'none'}."


def unknown_pipeline(received: str, known: Iterable[str]) -> str:
    """Return `unknown pipeline 'sunspot'. Did you mean 'sunspots'? All: gristmill ls.`, for there may be many."""
    return f"unknown pipeline {received!r}.{meant(received, known, most=3)} All: gristmill ls."


def meant(received: str, known: Iterable[str], most: int = 1) -> str:
    """Return ` Did you mean 'sunspots'?`, or nothing where no known name is like it."""
    close = difflib.get_close_matches(received, known, n=most)
    return f" Did you mean {', '.join(map(repr, close))}?" if close else ""


def score(metric: str, value: float | None) -> str:
    """Return a score as it is shown everywhere: shares in percent, what cannot be computed as a dash."""
    if value is None:
        return "–"
    return f"{value:+.1%}" if metric == "skill" else f"{value:.1%}" if metric == "coverage" else f"{value:.4g}"


def reason(error: Exception) -> str:
    """Return the first sentence of what is behind an error of Keras's.

    `Unknown activation 'x'`, of `<class 'Dense'> could not be deserialized. ... Exception encountered: Unknown
    activation 'x'. Please ...`
    """
    cause = re.split(r"Exception encountered: |Example error message for object <.*>:\s", str(error))[-1].strip()
    return re.split(r"\.\s+[A-Z]|\n", cause)[0].rstrip(".:") or type(error).__name__


def validated(kind: type[S], raw: Any, where: str, problems: list[str]) -> S | None:
    """Return a table as settings, or None after adding a line to `problems` for each mistake, `where` before it."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problems.extend(f"{where} {line}" for line in problem_lines(error, kind))
        return None


def problem_lines(error: ValidationError, table: type[Settings]) -> Iterator[str]:
    """Yield one line for each key of `table` that does not hold: the key, why, what was received.

    What does not hold of the table as a whole comes without a key: its name stands before the line.
    """
    reasons: dict[str, tuple[list[str], set[tuple[str, Any]], Any]] = {}
    for detail in error.errors(include_url=False):
        # A location is the key, then positions in an array, then branches of a union, which mean little to a reader.
        if not detail["loc"]:
            yield f"expected {_expected(detail['msg'])}."
            continue
        name, *inner = detail["loc"]
        key = f"{name}{''.join(f'[{step}]' for step in inner if isinstance(step, int))}"
        if inner and name in table.model_fields and get_origin(table.model_fields[str(name)].annotation) is dict:
            key = f"{name}.{inner[0]}"  # the keys of such a table are the user's own
        if detail["type"] == "extra_forbidden":
            yield suggestion("key", key, table.model_fields)
        elif detail["type"] == "missing":
            yield f"{key}: missing. It has no default."
        elif detail["type"] == "too_short" and detail["input"]:
            continue  # short only because its mistakes, told elsewhere, are out
        else:
            messages, missed, _ = reasons.setdefault(key, ([], set(), detail["input"]))
            messages.append(_expected(detail["msg"]))
            missed.add((detail["type"], detail.get("ctx", {}).get("lt")))
    for key, (messages, missed, received) in reasons.items():
        expected = _COUNT_OR_SHARE if missed >= _COUNT_OR_SHARE_MISSED else " or ".join(dict.fromkeys(messages))
        shown = "nothing" if received is None else f"{masked(received)!r} ({_toml_type(received)})"
        yield f"{key}: expected {expected}. Received: {shown}."


def _expected(message: str) -> str:
    """Return what Pydantic asks for, in the words of TOML."""
    message = re.sub(r"^(Input|String|Tuple) should (be |have )?|^Value error, ", "", message)
    message = re.sub(r"a valid dictionary( or instance of \w+)?", "a table", message)
    return message.replace("a valid tuple", "a valid array")


def _toml_type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "table"}
    return names.get(type(value), type(value).__name__)
