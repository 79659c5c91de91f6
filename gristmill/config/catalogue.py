"""`pipelines.toml` read, checked and made into settings: every error of the file at once."""

import importlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from gristmill.config.assignments import caused_by_set, override
from gristmill.config.open_store import open_store
from gristmill.config.schema_files import check_columns, orphan_schemas, read_schema
from gristmill.config.stages import DOMAINS
from gristmill.errors import RequestError
from gristmill.settings.base import CacheFolder, Settings, StoreLocation, columns
from gristmill.settings.custom_code import CustomCode, is_custom
from gristmill.settings.data_schema import Expectations
from gristmill.settings.deny_list import denied_columns
from gristmill.settings.kinds import kinds, settings_of
from gristmill.settings.messages import unknown_name, unknown_pipeline, validate_table
from gristmill.settings.runner import SEQUENTIAL, Runner
from gristmill.settings.sweep import Sweep
from gristmill.store.store import PIPELINE_PATTERN, Store
from gristmill.util.urls import redact

PIPELINES_FILE = "pipelines.toml"
SCHEMA = "schema"  # the table of a pipeline that stands in a file of its own
_RETIRED = {("gate", "baseline")}  # tables and keys of settings that records of earlier versions may hold
Choice = type[Settings] | tuple[str, ...]  # what a table holds, or the packages of what it may hold, by kind


class Defaults(Settings):
    """What holds for every pipeline of the file."""

    store: StoreLocation = (
        "data/store"  # folder of the artifacts, or s3://bucket/prefix; GRISTMILL_STORE goes before it
    )
    cache: CacheFolder = "data/store"  # folder for what a store at a URL holds; GRISTMILL_CACHE goes before it
    cache_gb: PositiveFloat | None = None  # of artifacts kept there; the least recently used ones go first
    keep_runs: PositiveInt = 3  # runs of each pipeline whose artifacts `gristmill gc` keeps
    deny: Annotated[tuple[str, ...], Field(strict=False)] = ()  # patterns of columns that no pipeline may name: "*_id"


class Head(BaseModel):
    """What every pipeline has besides its domain's tables."""

    domain: str = Field(description=f"One of: {', '.join(DOMAINS)}.")
    description: str = ""
    sweep: Sweep | None = None


@dataclass(frozen=True)
class Pipeline:
    """One named table of `pipelines.toml`: a domain with its settings."""

    name: str
    domain: str
    description: str
    tables: Mapping[str, Settings]
    sweep: Sweep | None = None  # what `gristmill sweep` tries in place of these settings
    overrides: tuple[str, ...] = ()  # assignments of `--set` that were made in the settings of the file

    def values(self) -> dict[str, Any]:
        """Return all settings as JSON values, defaults filled in."""
        return {name: table.model_dump(mode="json") for name, table in self.tables.items()}


@dataclass(frozen=True)
class Catalogue:
    """A project's `pipelines.toml`, validated."""

    root: Path  # the folder it lies in
    store: Store
    keep_runs: int
    pipelines: Mapping[str, Pipeline]
    deny: tuple[str, ...] = ()  # patterns of columns that no pipeline names
    runner: Runner = SEQUENTIAL

    def pipeline(self, name: str) -> Pipeline:
        """Return a pipeline by name, or say which there are."""
        if name not in self.pipelines:
            raise RequestError(f"{self.root / PIPELINES_FILE}: {unknown_pipeline(name, self.pipelines)}")
        return self.pipelines[name]


def load(root: Path | None = None, overrides: Mapping[str, Iterable[str]] | None = None) -> Catalogue:
    """Read the `pipelines.toml` of `root`, or of the nearest folder above the current one that has it.

    Args:
        root: the project's folder.
        overrides: pipeline name to assignments such as `train.epochs=5`, checked like the file itself.

    Raises:
        RequestError: no file, not TOML, or settings that do not hold; one line for each problem. A problem that the
            file alone does not have names the assignments of `--set` that cause it.
    """
    root = find_project_folder() if root is None else root
    changes = {name: tuple(assignments) for name, assignments in (overrides or {}).items()}
    try:
        return read(root, changes)
    except RequestError as error:
        lines = str(error).splitlines()
    in_file = _problems_of_file(root)
    raise RequestError(
        "\n".join(line if line in in_file else caused_by_set(line, changes, PIPELINES_FILE) for line in lines)
    )


def read(root: Path, changes: Mapping[str, tuple[str, ...]]) -> Catalogue:
    """Read a `pipelines.toml` as `load` does; each problem names the file, whether the file or `changes` cause it.

    Args:
        root: the project's folder.
        changes: pipeline name to assignments.

    Raises:
        RequestError: no file, not TOML, or settings that do not hold; one line for each problem.
    """
    file = root / PIPELINES_FILE
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"{file}: cannot be read ({error.strerror}). Run in a project's folder.") from None
    except (ValueError, RecursionError) as error:  # no TOML, or no UTF-8; thousands of digits, or of brackets
        raise RequestError(f"{file}: not valid TOML: {str(error).partition(';')[0]}.") from None
    problems = _unknown_tables(raw)
    defaults = validate_table(Defaults, raw.get("defaults", {}), "[defaults]", problems)
    runner = validate_table(Runner, raw["runner"], "[runner]", problems) if "runner" in raw else SEQUENTIAL
    tables = raw.get("pipelines", {})
    tables |= {name: override(tables[name], changes[name]) for name in changes if isinstance(tables.get(name), dict)}
    sound = [made for name, table in tables.items() if (made := _pipeline(name, table, problems))]
    for made in sound:
        problems.extend(denied_columns(f"pipelines.{made.name}", made.tables, defaults.deny if defaults else ()))
    wrong = [f"{PIPELINES_FILE} {problem}" for problem in problems]
    pipelines = {made.name: _with_schema(made, root, changes.get(made.name, ()), wrong) for made in sound}
    wrong.extend(orphan_schemas(root, tables))
    if wrong or defaults is None or runner is None:
        raise RequestError("\n".join(wrong))
    for name in changes:
        if name not in pipelines:
            raise RequestError(f"{file}: {unknown_pipeline(name, tables)}")
    return Catalogue(root, open_store(root, defaults), defaults.keep_runs, pipelines, defaults.deny, runner)


def find_project_folder() -> Path:
    """Return the nearest folder at or above the current one that holds a `pipelines.toml`."""
    here = Path.cwd()
    for folder in [here, *here.parents]:
        if (folder / PIPELINES_FILE).is_file():
            return folder
    raise RequestError(
        f"{here}: no {PIPELINES_FILE} here or in a folder above. Change to a project's folder, or make one: "
        "gristmill init --help."
    )


def toml_value(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    match value:
        case dict() if value:
            return f"{{ {', '.join(f'{_key(key)} = {toml_value(inner)}' for key, inner in value.items())} }}"
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case date() | time():
            return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _problems_of_file(root: Path) -> list[str]:
    """Return the problems that the file has without any assignment."""
    try:
        read(root, {})
    except RequestError as error:
        return str(error).splitlines()
    return []


def _unknown_tables(raw: dict[str, Any]) -> list[str]:
    """Return what is wrong at the top of the file, and take what is no table out of `raw`."""
    known = ("defaults", "runner", "pipelines")
    problems = [unknown_name("table", name, known) for name in raw if name not in known]
    for name in known:
        if not isinstance(raw.get(name, {}), dict):
            problems.append(f"{name}: expected a table. Received: {redact(raw.pop(name))!r}.")
    return problems


def _pipeline(name: str, table: Any, problems: list[str]) -> Pipeline | None:
    """Return a pipeline from its raw table, or None after adding to `problems`."""
    where = f"[pipelines.{name}]"
    if not isinstance(table, dict):
        problems.append(f"{where}: expected a table. Received: {redact(table)!r}.")
        return None
    if not re.fullmatch(PIPELINE_PATTERN, name):
        problems.append(f"[pipelines] {name!r}: a pipeline's name has only letters, digits, - and _.")
        return None
    if table.get("domain") not in DOMAINS:
        problems.append(f"{where} domain: " + _missing_or_unknown("domain", table.get("domain"), DOMAINS))
        return None
    classes = tables_of(table["domain"])
    before = len(problems)
    known = [*Head.model_fields, *classes]
    problems.extend(f"{where} {unknown_name('key', key, known)}" for key in table if key not in known)
    if not isinstance(table.get("description", ""), str):
        problems.append(f"{where} description: expected a string. Received: {redact(table['description'])!r}.")
    made = {
        key: _table(choice, table.get(key, {}), f"[pipelines.{name}.{key}]", key, problems)
        for key, choice in classes.items()
    }
    sweep = _sweep(table["sweep"], f"[pipelines.{name}.sweep]", classes, problems) if "sweep" in table else None
    if len(problems) > before:
        return None
    tables = {key: value for key, value in made.items() if value}
    return Pipeline(name, table["domain"], table.get("description", ""), tables, sweep)


def _with_schema(pipeline: Pipeline, root: Path, overrides: tuple[str, ...], wrong: list[str]) -> Pipeline:
    """Return a pipeline with its schema, if there is one, as one of its tables, and with the assignments made in it.

    Rules of columns that it does not name are mistakes, unless it leaves them out by assignments made for this call.
    """
    pipeline = replace(pipeline, overrides=overrides)
    schema = read_schema(root, pipeline.name, schema_of(pipeline.domain), wrong)
    if schema is None:
        return pipeline
    if not overrides:
        check_columns(schema, [column for _, column in columns(pipeline.tables["ingest"])], wrong)
    return replace(pipeline, tables={**pipeline.tables, SCHEMA: schema})


def _sweep(raw: Any, where: str, tables: Iterable[str], problems: list[str]) -> Sweep | None:
    """Return what is to be tried; that it fits the pipeline is seen when the points are made."""
    if not isinstance(raw, dict):
        problems.append(f"{where}: expected a table. Received: {redact(raw)!r}.")
        return None
    known = [*Sweep.model_fields, *tables]
    unknown = [key for key in raw if key not in known]
    problems.extend(f"{where} {unknown_name('key', key, known)}" for key in unknown)
    return None if unknown else validate_table(Sweep, raw, where, problems)


def tables_of(domain: str) -> dict[str, Choice]:
    """Return a domain's tables: name to settings class, or to the packages whose modules are its kinds."""
    tables = importlib.import_module(f"gristmill.domains.{domain}.settings").TABLES
    return {name: (choice,) if isinstance(choice, str) else choice for name, choice in tables.items()}


def schema_of(domain: str) -> type[Expectations]:
    """Return what a schema of a domain's data may hold."""
    schema: type[Expectations] = importlib.import_module(f"gristmill.domains.{domain}.settings").Schema
    return schema


def allows_custom_code(choice: Choice) -> bool:
    """Whether a function of the user's can stand for a kind of the table: it can for a model."""
    return isinstance(choice, tuple) and choice[-1].endswith(".models")


def restore_settings(domain: str, values: Mapping[str, Any]) -> dict[str, Settings]:
    """Return the tables of a pipeline from the values that a run record keeps.

    Keys that gristmill had when the record was written and has no more are ignored: a champion keeps serving.

    Raises:
        RequestError: they were written for settings that this version does not have.
    """
    problems: list[str] = []
    made = {
        name: _table(choice, _without_retired(name, values.get(name, {})), name, name, problems)
        for name, choice in tables_of(domain).items()
    }
    if SCHEMA in values:
        made[SCHEMA] = validate_table(schema_of(domain), values[SCHEMA], SCHEMA, problems)
    if problems:
        raise RequestError(f"the settings of this run do not fit this version ({problems[0]}) Run the pipeline again.")
    return {name: table for name, table in made.items() if table is not None}


def _without_retired(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if (table, key) not in _RETIRED}


def _table(choice: Choice, raw: Any, where: str, name: str, problems: list[str]) -> Settings | None:
    """Validate one table; a class given as packages is chosen by the table's `kind`."""
    if not isinstance(raw, dict):
        problems.append(f"{where}: expected a table. Received: {redact(raw)!r}.")
        return None
    if isinstance(choice, tuple):
        kind = raw.get("kind")
        if is_custom(kind) and allows_custom_code(choice):
            return validate_table(CustomCode, raw, where, problems)
        if kind not in kinds(*choice):
            own = ' Your own: "file.py:function".' if allows_custom_code(choice) else ""
            problems.append(f"{where} kind: " + _missing_or_unknown(name, kind, kinds(*choice)) + own)
            return None
        choice = settings_of(str(kind), *choice)
    return validate_table(choice, raw, where, problems)


def _missing_or_unknown(what: str, received: Any, known: Iterable[str]) -> str:
    if received is None:
        return f"missing. Known: {', '.join(known)}."
    return unknown_name(what, received, known)
