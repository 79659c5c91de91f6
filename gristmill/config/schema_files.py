"""Schemas of pipelines, `schemas/NAME.toml`: read and check them."""

import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path

from gristmill.settings.data_schema import Bounds, Cells, Expectations
from gristmill.settings.messages import Problem, did_you_mean, unknown_name
from gristmill.settings.validation import validate_table

FOLDER = "schemas"


def schema_file(name: str) -> str:
    """Return the path of a pipeline's schema, relative to the project."""
    return f"{FOLDER}/{name}.toml"


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
    for path in sorted((root / FOLDER).glob("[!.]*.toml")):
        if path.stem not in pipelines:
            like = did_you_mean(path.stem, pipelines)
            text = f"no pipeline has this name.{like} Rename the file, or remove it."
            yield Problem(f"{schema_file(path.stem)}:", text)


def check_columns(schema: Expectations, known: Collection[str], problems: list[Problem]) -> None:
    """Add to `problems` each column of a schema that its pipeline does not use."""
    for name in getattr(schema, "columns", {}):
        if name not in known:
            problems.append(Problem(f"{schema.file} [columns]:", unknown_name("column", name, known)))
