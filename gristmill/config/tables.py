"""Tables of a pipeline: the settings class of each, chosen by its `kind` where a package offers several."""

from collections.abc import Mapping
from typing import Any

from gristmill.settings.base import Settings
from gristmill.settings.custom_code import CustomCode, is_custom
from gristmill.settings.kinds import Kinds, kinds, settings_of
from gristmill.settings.messages import Problem, close_names, unknown_name
from gristmill.settings.selection import Auto
from gristmill.settings.validation import validate_table
from gristmill.util.urls import redact

AUTO = "auto"


def read_table(
    choice: type[Settings] | Kinds,
    raw: Any,
    where: str,
    name: str,
    problems: list[Problem],
    *,
    single: bool = False,
    recorded: bool = False,
) -> Settings | None:
    """Return a raw table as settings, or None after adding to `problems`.

    If `choice` offers kinds, the table's `kind` selects the settings class. A `single` model is one of several
    candidates, so its kind is not "auto". A `recorded` table may have keys of earlier releases.
    """
    if not is_table(raw, where, problems):
        return None
    if isinstance(choice, Kinds):
        kind = raw.get("kind")
        if kind is None and (misspelt := close_names("kind", raw)):
            problems.append(Problem(where, f"unknown key {redact(misspelt[0])!r}. Did you mean 'kind'?", misspelt[0]))
            return None
        if is_custom(kind) and choice.are_models:
            return validate_table(CustomCode, raw, where, problems)
        known = kinds(*choice.packages)
        if choice.are_models and not single:
            if kind == AUTO:
                return validate_table(Auto, raw, where, problems)
            known = [*known, AUTO]
        if kind not in known:
            hint = ' Your own: "file.py:function".' if choice.are_models else ""
            problems.append(Problem(where, unknown_name(name, kind, known) + hint, "kind", "kind"))
            return None
        choice = settings_of(str(kind), *choice.packages)
    if recorded:
        raw = {key: value for key, value in raw.items() if key not in choice.retired}
    return validate_table(choice, raw, where, problems)


def is_table(raw: Any, where: str, problems: list[Problem]) -> bool:
    """Return whether a raw value is a table; otherwise, add a problem to `problems`."""
    if not isinstance(raw, Mapping):
        problems.append(Problem(f"{where}:", f"expected a table. Received: {redact(raw)!r}."))
    return isinstance(raw, Mapping)
