"""Validation of tables, with Pydantic's errors in the words of TOML."""

from collections.abc import Iterator
from typing import Any, TypeVar, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gristmill.settings.base import Settings
from gristmill.settings.messages import Problem, meant_names, unknown_name
from gristmill.util.urls import redact

S = TypeVar("S", bound=Settings)

_TOML_TYPES = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "table"}
_COUNT_OR_SHARE_ERRORS = {("int_type", None), ("less_than", 1.0)}  # Pydantic's errors for an invalid number

_EXPECTED = {  # by Pydantic's type of the error, with the values of its context
    "bool_type": "a valid boolean",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_parsing": "a valid number",
    "float_type": "a valid number",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "greater than or equal to {ge}",
    "int_parsing": "a valid integer",
    "int_type": "a valid integer",
    "less_than": "less than {lt}",
    "less_than_equal": "less than or equal to {le}",
    "literal_error": "{expected}",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "string_pattern_mismatch": "match pattern '{pattern}'",
    "string_too_long": "at most {max_length} character{s}",
    "string_too_short": "at least {min_length} character{s}",
    "string_type": "a valid string",
    "too_long": "at most {max_length} item{s} after validation, not {actual_length}",
    "too_short": "at least {min_length} item{s} after validation, not {actual_length}",
    "tuple_type": "a valid array",
    "value_error": "{error}",
}


def validate_table(kind: type[S], raw: Any, where: str, problems: list[Problem]) -> S | None:
    """Return a table as settings, or None after adding to `problems`; `where` names the table."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problems.extend(table_problems(error, kind, where))
        return None


def table_problems(error: ValidationError, table: type[Settings], where: str = "") -> Iterator[Problem]:
    """Yield a problem for each invalid key of a table: why it is invalid, and what was received.

    A problem of the whole table has no key.
    """
    reasons: dict[str, tuple[str, list[str], set[tuple[str, Any]], Any]] = {}
    details = error.errors(include_url=False)
    of_unknown = (detail["loc"] for detail in details if detail["type"] == "extra_forbidden")
    misspelt = meant_names((str(loc[0]) for loc in of_unknown if len(loc) == 1), table.model_fields)
    # 1. Report unknown and missing keys, and collect the reasons why a value is invalid: one for each type it may have.
    for detail in details:
        # A location is the key, then positions in an array, then branches of a union, which mean little to a reader.
        if not detail["loc"]:
            yield Problem(where, f"expected {expected_value(detail)}.")
            continue
        key, *inner = str(detail["loc"][0]), *detail["loc"][1:]
        label = f"{key}{''.join(f'[{step}]' for step in inner if isinstance(step, int))}"
        if inner and key in table.model_fields and get_origin(table.model_fields[key].annotation) is dict:
            label = f"{key}.{inner[0]}"  # the user chooses the keys of such a table
        kind = detail["type"]
        if kind == "extra_forbidden" and inner:  # in a table within the value
            yield Problem(where, f"unknown key {inner[-1]!r}.", key, label)
        elif kind == "extra_forbidden" and key in table.retired:
            yield Problem(where, f"unknown key {key!r}. {table.retired[key]}", key)
        elif kind == "extra_forbidden":
            yield Problem(where, unknown_name("key", label, table.model_fields), key)
        elif kind == "union_tag_invalid":
            known = detail["ctx"]["expected_tags"].replace("'", "").split(", ")
            yield Problem(where, unknown_name("kind", detail["ctx"]["tag"], known), key, label)
        elif kind == "union_tag_not_found":
            yield Problem(where, "missing key 'kind'.", key, label)
        elif kind == "missing":
            if label not in misspelt:
                yield Problem(where, "missing. It has no default.", key, label)
        elif kind != "too_short" or not detail["input"]:  # else it is short without its invalid items, reported too
            _, messages, failed, _ = reasons.setdefault(label, (key, [], set(), detail["input"]))
            messages.append(expected_value(detail))
            failed.add((kind, detail.get("ctx", {}).get("lt")))
    # 2. Report each invalid value once.
    for label, (key, messages, failed, received) in reasons.items():
        expected = " or ".join(dict.fromkeys(messages))
        if failed >= _COUNT_OR_SHARE_ERRORS:
            expected = "a whole number, or a share below 1"
        elif ("less_than_equal", None) in failed:
            expected = expected.replace(" or less than 1", "")  # a count above its maximum cannot mean a share
        kind = _TOML_TYPES.get(type(received), type(received).__name__)
        shown = "nothing" if received is None else f"{redact(received)!r} ({kind})"
        yield Problem(where, f"expected {expected}. Received: {shown}.", key, label)


def expected_value(detail: ErrorDetails) -> str:
    """Return what an error of Pydantic expected, in the words of TOML; Pydantic's own message for other types."""
    if detail["type"] not in _EXPECTED:
        return detail["msg"]
    values = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value  # 0 for 0.0
        for name, value in detail.get("ctx", {}).items()
    }
    plural = "" if 1 in (values.get("min_length"), values.get("max_length")) else "s"
    return _EXPECTED[detail["type"]].format(**values, s=plural)
