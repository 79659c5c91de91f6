"""JSON Schema of `pipelines.toml`, which editors use to complete and validate the file.

`python -m gristmill.config.json_schema` prints it, and a test keeps `pipelines.schema.json` current. The description of
a field is the comment behind it in the settings class.
"""

import inspect
import json
import re
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import ModelSchema

from gristmill.config.catalogue import COMMON_TABLES, PROJECT_TABLES
from gristmill.config.domains import DOMAINS, domain_of
from gristmill.settings.base import Settings
from gristmill.settings.custom_code import CustomCode
from gristmill.settings.kinds import Kinds, kinds, settings_of
from gristmill.settings.schedule import Monitor
from gristmill.settings.selection import Auto, Sweep

_COMMENTED_FIELD = re.compile(r"^    (\w+): (?:.*\n(?=     |    \)))*?.*?  # (.+)$", re.MULTILINE)
_OWN = {
    "description": inspect.getdoc(CustomCode),
    "type": "object",
    "properties": {"kind": {"type": "string", "pattern": r"\.py:[A-Za-z_]\w*$"}},
    "required": ["kind"],
}


def schema() -> dict[str, Any]:
    """Return the schema of a whole `pipelines.toml`."""
    # Collect the classes that each table may have: its own, or a class for each kind of its packages.
    choices: dict[str, dict[str, list[type[Settings]]]] = {domain: {} for domain in DOMAINS}
    for domain, tables in choices.items():
        for table, choice in domain_of(domain).tables.items():
            if isinstance(choice, Kinds):
                tables[table] = [settings_of(kind, *choice.packages) for kind in kinds(*choice.packages)]
            else:
                tables[table] = [choice]
    # Describe them, and refer to their descriptions.
    classes: list[type[Settings]] = [Auto, Monitor, *PROJECT_TABLES.values(), *COMMON_TABLES.values()]
    classes += [kind for tables in choices.values() for table in tables.values() for kind in table]
    references, definitions = models_json_schema(
        [(kind, "validation") for kind in classes], ref_template="#/$defs/{model}", schema_generator=_Described
    )
    pipelines = [_pipeline(domain, tables, references) for domain, tables in choices.items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pipelines.toml of a gristmill project",
        "type": "object",
        "properties": {
            **{name: references[kind, "validation"] for name, kind in PROJECT_TABLES.items()},
            "pipelines": {"type": "object", "additionalProperties": {"oneOf": pipelines}},
        },
        "additionalProperties": False,
        **definitions,
    }


def _pipeline(domain: str, tables: dict[str, list[type[Settings]]], references: dict[Any, Any]) -> dict[str, Any]:
    options = {table: [references[kind, "validation"] for kind in classes] for table, classes in tables.items()}
    for table, choice in domain_of(domain).tables.items():
        if isinstance(choice, Kinds) and choice.are_models:
            options[table] += [references[Auto, "validation"], _OWN]
    needed = [
        table for table, classes in tables.items() if any(f.is_required() for f in classes[0].model_fields.values())
    ]
    return {
        "type": "object",
        "properties": {
            "domain": {"const": domain},
            "description": {"type": "string"},
            **{name: references[kind, "validation"] for name, kind in COMMON_TABLES.items()},
            "sweep": {**references[Sweep, "validation"], "propertyNames": {"enum": [*Sweep.model_fields, *tables]}},
            **({"monitor": references[Monitor, "validation"]} if domain_of(domain).monitored else {}),
            **{table: schemas[0] if len(schemas) == 1 else {"oneOf": schemas} for table, schemas in options.items()},
        },
        "required": ["domain", *needed],
        "additionalProperties": False,
    }


class _Described(GenerateJsonSchema):
    """Describe every field, including fields of nested tables, with the comment after it in the declaring class."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        definition = super().model_schema(schema)
        for owner in reversed([base for base in schema["cls"].__mro__ if issubclass(base, Settings)]):
            for name, comment in _COMMENTED_FIELD.findall(inspect.getsource(owner)):
                if name in definition.get("properties", {}):
                    definition["properties"][name]["description"] = comment
        return definition


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
