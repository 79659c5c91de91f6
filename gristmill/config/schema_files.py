"""`schemas/NAME.toml` read and checked: every mistake with file and key."""

import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from gristmill.settings.base import Settings
from gristmill.settings.data_schema import Bounds, Cells, Expectations
from gristmill.settings.messages import did_you_mean, unknown_name, validate_table

FOLDER = "schemas"


def schema_file(name: str) -> str:
    """Return where a pipeline's schema stands in the project."""
    return f"{FOLDER}/{name}.toml"


def read_schema(root: Path, name: str, kind: type[Expectations], problems: list[str]) -> Expectations | None:
    """Return the schema of a pipeline; None where there is no file, or after adding to `problems`.

    Args:
        root: the project's folder.
        name: the pipeline.
        kind: the schema of its domain.
        problems: a line for each mistake.
    """
    file, before = schema_file(name), len(problems)
    try:
        raw = tomllib.loads((root / file).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problems.append(f"{file}: cannot be read ({error.strerror}). Mend it, or remove it.")
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{file}: not valid TOML: {error}.")
        return None
    known = kind.model_fields.keys() - {"file"}
    problems.extend(f"{file} {unknown_name('key', key, known)}" for key in raw if key not in known)
    for table, part, rules in _tables(kind, raw):
        validate_table(part, rules, f"{file} [{table}]", problems)
    return validate_table(kind, raw | {"file": file}, file, problems) if len(problems) == before else None


def orphan_schemas(root: Path, pipelines: Collection[str]) -> Iterator[str]:
    """Yield a line for each schema of no pipeline: one that was renamed would not be held to its own any more."""
    for path in sorted((root / FOLDER).glob("[!.]*.toml")):
        if path.stem not in pipelines:
            like = did_you_mean(path.stem, pipelines)
            yield f"{schema_file(path.stem)}: no pipeline is called so.{like} Rename the file as its own, or remove it."


def check_columns(schema: Expectations, known: Collection[str], problems: list[str]) -> None:
    """Add to `problems` the columns with rules that are none of those a pipeline names."""
    for name in getattr(schema, "columns", {}):
        if name not in known:
            problems.append(f"{schema.file} [columns]: {unknown_name('column', name, known)}")


def _tables(kind: type[Expectations], raw: dict[str, Any]) -> Iterator[tuple[str, type[Settings], Any]]:
    """Yield the tables within a schema: its name, what it must be, what it is."""
    columns = raw.get("columns")
    if "columns" in kind.model_fields and isinstance(columns, dict):
        yield from ((f"columns.{name}", Cells, rules) for name, rules in columns.items())
    for name, field in kind.model_fields.items():
        if field.annotation is Bounds and name in raw:
            yield name, Bounds, raw[name]
