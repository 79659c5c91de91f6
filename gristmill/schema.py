"""The JSON Schema of `pipelines.toml`, so that editors complete and check it.

`python -m gristmill.schema` prints it; `pipelines.schema.json` is kept current by a test. A field's description is the
comment behind it in the settings class.
"""

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from gristmill.config import Defaults, tables_of
from gristmill.domains import DOMAINS
from gristmill.kinds import kinds, settings_of
from gristmill.settings import Settings


def schema() -> dict[str, Any]:
    """Return the schema of a whole `pipelines.toml`."""
    choices = {
        domain: {table: list(_classes(choice)) for table, choice in tables_of(domain).items()} for domain in DOMAINS
    }
    classes: list[type[Settings]] = [Defaults]
    classes += [kind for tables in choices.values() for table in tables.values() for kind in table]
    references, definitions = models_json_schema(
        [(kind, "validation") for kind in classes], ref_template="#/$defs/{model}"
    )
    for kind in classes:
        _describe(kind, _definition(references[kind, "validation"], definitions))
    pipelines = [_pipeline(domain, tables, references) for domain, tables in choices.items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pipelines.toml of a gristmill project",
        "type": "object",
        "properties": {
            "defaults": references[Defaults, "validation"],
            "pipelines": {"type": "object", "additionalProperties": {"oneOf": pipelines}},
        },
        "additionalProperties": False,
        **definitions,
    }


def _classes(choice: type[Settings] | str) -> Iterator[type[Settings]]:
    """Yield the classes a table may have: its own, or one for each kind of a package."""
    if isinstance(choice, str):
        yield from (settings_of(choice, kind) for kind in kinds(choice))
    else:
        yield choice


def _pipeline(domain: str, tables: dict[str, list[type[Settings]]], references: dict[Any, Any]) -> dict[str, Any]:
    options = {table: [references[kind, "validation"] for kind in classes] for table, classes in tables.items()}
    needed = [
        table for table, classes in tables.items() if any(f.is_required() for f in classes[0].model_fields.values())
    ]
    return {
        "type": "object",
        "properties": {
            "domain": {"const": domain},
            "description": {"type": "string"},
            **{table: found[0] if len(found) == 1 else {"oneOf": found} for table, found in options.items()},
        },
        "required": ["domain", *needed],
        "additionalProperties": False,
    }


def _definition(reference: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definitions["$defs"][reference["$ref"].rpartition("/")[2]]
    return found


def _describe(kind: type[Settings], definition: dict[str, Any]) -> None:
    """Give each field the comment behind it as its description, in the class that declares it."""
    for owner in reversed([base for base in kind.__mro__ if issubclass(base, Settings)]):
        for name, comment in re.findall(r"^    (\w+): .*?  # (.+)$", inspect.getsource(owner), re.MULTILINE):
            if name in definition.get("properties", {}):
                definition["properties"][name]["description"] = comment


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
