"""Tables of a pipeline as settings: those of `pipelines.toml`, and its schema, `schemas/NAME.toml`.

A table has the settings class of its domain, chosen by its `kind` where a package offers several.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from gristmill.settings.base import Settings
from gristmill.settings.custom_code import CustomCode, is_custom
from gristmill.settings.data_schema import Bounds, Cells, Expectations
from gristmill.settings.kinds import Kinds, kinds, settings_of
from gristmill.settings.messages import Problem, close_names, did_you_mean, unknown_name
from gristmill.settings.selection import Auto
from gristmill.settings.validation import validate_table
from gristmill.util.urls import redact

AUTO = "auto"
SCHEMA_FOLDER = "schemas"


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


def schema_file(name: str) -> str:
    """Return the path of a pipeline's schema, relative to the project."""
    return f"{SCHEMA_FOLDER}/{name}.toml"


def read_schema(root: Path, name: str, kind: type[Expectations], problems: list[Problem]) -> Expectations | None:
    """Return the schema of a pipeline; None if there is no file or it is invalid, which is added to `problems`."""
    file, before = schema_file(name), len(problems)
    try:
        raw = tomllib.loads((root / file).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problems.append(Problem(f"{file}:", f"cannot be read ({error.strerror}). Fix it, or remove it."))
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(Problem(f"{file}:", f"not valid TOML: {error}."))
        return None
    known = kind.model_fields.keys() - {"file"}
    problems.extend(Problem(file, unknown_name("key", key, known)) for key in raw if key not in known)
    # Check the tables within it first, so that a problem names the table.
    columns = raw.get("columns")
    if "columns" in kind.model_fields and isinstance(columns, dict):
        for column, cells in columns.items():
            validate_table(Cells, cells, f"{file} [columns.{column}]", problems)
    for table, field in kind.model_fields.items():
        if field.annotation is Bounds and table in raw:
            validate_table(Bounds, raw[table], f"{file} [{table}]", problems)
    return validate_table(kind, raw | {"file": file}, file, problems) if len(problems) == before else None


def orphan_schemas(root: Path, pipelines: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each schema without a pipeline: a renamed pipeline would no longer be checked by it."""
    for path in sorted((root / SCHEMA_FOLDER).glob("[!.]*.toml")):
        if path.stem not in pipelines:
            like = did_you_mean(path.stem, pipelines)
            text = f"no pipeline has this name.{like} Rename the file, or remove it."
            yield Problem(f"{schema_file(path.stem)}:", text)


def check_columns(schema: Expectations, known: Collection[str], problems: list[Problem]) -> None:
    """Add to `problems` each column of a schema that its pipeline does not use."""
    for name in getattr(schema, "columns", {}):
        if name not in known:
            problems.append(Problem(f"{schema.file} [columns]:", unknown_name("column", name, known)))
