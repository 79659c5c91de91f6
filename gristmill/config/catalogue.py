"""`pipelines.toml`: read, validated and turned into settings, with all errors of the file reported at once.

It also opens the store: a folder, or a shared store with a folder as its cache.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, cast

from gristmill.config.candidates import check_candidates
from gristmill.config.domains import DOMAINS, domain_of, unknown_domain
from gristmill.config.pipelines_file import (
    PIPELINES_FILE,
    caused_by_set,
    find_project_folder,
    override,
    read_toml,
    with_line,
)
from gristmill.config.tables import check_columns, is_table, orphan_schemas, read_schema, read_table
from gristmill.errors import RequestError
from gristmill.settings.arrivals import Arrivals
from gristmill.settings.base import Settings, check_store_location, columns
from gristmill.settings.domain import Monitored
from gristmill.settings.file_tables import SEQUENTIAL, Defaults, Deploy, JobVariables, Notify, Runner
from gristmill.settings.messages import Problem, meant_names, unknown_name, unknown_pipeline
from gristmill.settings.schedule import Freshness, Gate, Monitor, Schedule
from gristmill.settings.selection import Sweep
from gristmill.settings.validation import validate_table
from gristmill.store.code_closure import PackageCode
from gristmill.store.store import PIPELINE_PATTERN, Store
from gristmill.util import extras
from gristmill.util.gc_freeze import gc_frozen
from gristmill.util.urls import redact

S = TypeVar("S", bound=Settings)
SCHEMA = "schema"  # the table of a pipeline that is read from a file of its own
PROJECT_TABLES: Mapping[str, type[Settings]] = {
    "defaults": Defaults,
    "runner": Runner,
    "notify": Notify,
    "deploy": Deploy,
}
COMMON_TABLES: Mapping[str, type[Settings]] = {"sweep": Sweep, "freshness": Freshness, "deploy": JobVariables}
"""Tables of the file besides the pipelines, and tables of every pipeline besides those of its domain."""


@dataclass(frozen=True)
class Pipeline:
    """One named table of `pipelines.toml`: a domain with its settings."""

    name: str
    domain: str
    description: str
    tables: Mapping[str, Settings]
    sweep: Sweep | None = None  # settings that `gristmill sweep` tries in place of these
    monitor: Monitor | None = None  # how its predictions are logged, if they are; not one of the tables of a run
    freshness: Freshness | None = None  # how old its data may be; not one of the tables of a run either
    job_variables: Mapping[str, Any] = field(default_factory=dict)  # of its deployments, besides those of [deploy]
    overrides: tuple[str, ...] = ()  # assignments of `--set` that changed the settings of the file

    @property
    def arrivals(self) -> Arrivals:
        """Rules for arrivals."""
        return cast(Arrivals, self.tables["arrivals"])

    @property
    def schedule(self) -> Schedule:
        """When it is retrained."""
        return cast(Schedule, self.tables["schedule"])

    @property
    def gate(self) -> Gate:
        """Conditions for a challenger."""
        return cast(Gate, self.tables["gate"])

    def values(self) -> dict[str, Any]:
        """Return all settings as JSON values, including defaults."""
        return {name: table.model_dump(mode="json") for name, table in self.tables.items()}


@dataclass(frozen=True)
class Catalogue:
    """A project's validated `pipelines.toml`."""

    root: Path  # folder of the file
    store: Store
    keep_runs: int
    pipelines: Mapping[str, Pipeline]
    runner: Runner = SEQUENTIAL
    notify: Notify | None = None  # who gets messages about runs
    deploy: Deploy = field(default_factory=Deploy)  # where workers find the project

    def pipeline(self, name: str) -> Pipeline:
        """Return a pipeline by name; raise `RequestError` if there is none."""
        if name not in self.pipelines:
            raise RequestError(f"{self.root / PIPELINES_FILE}: {unknown_pipeline(name, self.pipelines)}")
        return self.pipelines[name]

    @cached_property
    def code(self) -> PackageCode:
        """The code of gristmill, which is read once for all plans and runs with this catalogue."""
        return PackageCode(self.store.memo)


class InvalidSettings(RequestError):
    """Settings of a `pipelines.toml` are invalid: one line for each problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load(root: Path | None = None, overrides: Mapping[str, Iterable[str]] | None = None) -> Catalogue:
    """Read the `pipelines.toml` of `root`, or of the nearest folder above the current one that has it.

    `overrides` maps pipelines to assignments such as `train.epochs=5`, which are checked like the file itself.

    Raises:
        RequestError: the file is missing, not TOML, or has invalid settings. If `--set` causes a problem, the message
            names the assignments.
    """
    root = find_project_folder() if root is None else root
    changes = {name: tuple(assignments) for name, assignments in (overrides or {}).items()}
    try:
        with gc_frozen():  # it imports and builds the classes of the tables, which stay until the end
            return read(root, changes)
    except InvalidSettings as error:
        problems = error.problems
    in_file: list[Problem] = []
    try:
        read(root, {})
    except RequestError as error:
        in_file = error.problems if isinstance(error, InvalidSettings) else []
    text = (root / PIPELINES_FILE).read_text(encoding="utf-8")
    messages = (
        with_line(problem, text) if problem in in_file else caused_by_set(problem, changes) for problem in problems
    )
    raise RequestError("\n".join(messages))


def read(root: Path, changes: Mapping[str, tuple[str, ...]]) -> Catalogue:
    """Read a `pipelines.toml` as `load` does, but name the place in the file in every problem."""
    raw = read_toml(root)
    known = [*PROJECT_TABLES, "pipelines"]
    problems = [Problem(PIPELINES_FILE, unknown_name("table", name, known)) for name in raw if name not in known]
    for name in known:
        if not is_table(raw.get(name, {}), f"{PIPELINES_FILE} {name}", problems):
            del raw[name]

    def read_section(kind: type[S], name: str) -> S | None:
        return validate_table(kind, raw.get(name, {}), f"{PIPELINES_FILE} [{name}]", problems)

    # The tables of the project.
    defaults = read_section(Defaults, "defaults")
    runner = read_section(Runner, "runner") if "runner" in raw else SEQUENTIAL
    notify = read_section(Notify, "notify") if "notify" in raw else None
    deploy = read_section(Deploy, "deploy")
    # The pipelines, with the assignments of `--set` and their schemas.
    tables = raw.get("pipelines", {})
    tables |= {name: override(tables[name], changes[name]) for name in changes if isinstance(tables.get(name), dict)}
    valid = [pipeline for name, table in tables.items() if (pipeline := _read_pipeline(name, table, problems))]
    for pipeline in valid:
        problems.extend(_denied_columns(pipeline, defaults.deny if defaults else ()))
    pipelines: dict[str, Pipeline] = {}
    for pipeline in valid:
        settings, assignments = {**pipeline.tables}, changes.get(pipeline.name, ())
        if not assignments:
            problems.extend(_unread_columns(pipeline))
        if schema := read_schema(root, pipeline.name, domain_of(pipeline.domain).schema, problems):
            settings[SCHEMA] = schema
            if not assignments:  # they may leave out a column that the schema names
                check_columns(schema, [column for _, column in columns(settings["ingest"])], problems)
        pipelines[pipeline.name] = replace(pipeline, overrides=assignments, tables=settings)
    problems.extend(orphan_schemas(root, tables))
    # All problems are reported at once.
    if problems or defaults is None or runner is None or deploy is None:
        raise InvalidSettings(problems)
    for name in changes:
        if name not in pipelines:
            raise RequestError(f"{root / PIPELINES_FILE}: {unknown_pipeline(name, tables)}")
    store = open_store(root, defaults.store, defaults.cache, defaults.cache_gb)
    return Catalogue(root, store, defaults.keep_runs, pipelines, runner, notify, deploy)


def _read_pipeline(name: str, raw: Any, problems: list[Problem]) -> Pipeline | None:
    """Return a pipeline from its raw table; if it is invalid, add to `problems` and return None."""
    prefix, before = f"{PIPELINES_FILE} [pipelines.{name}", len(problems)
    where = f"{prefix}]"
    # Its name, its domain and the names of its tables.
    if not is_table(raw, where, problems):
        return None
    if not re.fullmatch(PIPELINE_PATTERN, name):
        text = f"{name!r}: a pipeline's name has only letters, digits, - and _."
        problems.append(Problem(f"{PIPELINES_FILE} [pipelines]", text))
        return None
    domain_name, description = raw.get("domain"), raw.get("description", "")
    if not isinstance(domain_name, str) or domain_name not in DOMAINS:
        problems.append(Problem(where, unknown_domain(domain_name), "domain", "domain"))
        return None
    domain = domain_of(domain_name)
    known = ["domain", "description", *COMMON_TABLES, *domain.tables, *(["monitor"] if domain.monitored else [])]
    unknown = _find_unknown_keys(raw, known, where, problems)
    misspelt = meant_names(unknown, known)
    if not isinstance(description, str):
        text = f"expected a string. Received: {redact(description)!r}."
        problems.append(Problem(where, text, "description", "description"))
    # The tables of its domain, and what must fit between them.
    tables: dict[str, Settings] = {}
    for key, choice in domain.tables.items():
        if key in misspelt - raw.keys():  # its own keys are not missing
            continue
        if settings := read_table(choice, raw.get(key, {}), f"{prefix}.{key}]", key, problems):
            tables[key] = settings
    if len(problems) == before:
        check_candidates(domain.name, tables, f"{prefix}.model]", problems)
        problems.extend(domain.check_tables(tables, prefix) if domain.check_tables else ())

    def read_optional(kind: type[S], key: str) -> S | None:
        is_valid = key in raw and is_table(raw[key], f"{prefix}.{key}]", problems)
        return validate_table(kind, raw[key], f"{prefix}.{key}]", problems) if is_valid else None

    # Tables that are not settings of a run.
    sweep = None
    if "sweep" in raw and is_table(raw["sweep"], f"{prefix}.sweep]", problems):
        keys = [*Sweep.model_fields, *domain.tables]
        if not _find_unknown_keys(raw["sweep"], keys, f"{prefix}.sweep]", problems):
            sweep = read_optional(Sweep, "sweep")  # whether its values fit the pipeline is checked with its points
    monitor = read_optional(Monitor, "monitor") if domain.monitored else None
    if monitor and domain.monitored:
        _check_monitor(monitor, domain.monitored, tables.get("ingest"), f"{prefix}.monitor]", problems)
    freshness = read_optional(Freshness, "freshness")
    deploy = read_optional(JobVariables, "deploy")
    schedule: Any = tables.get("schedule")
    if schedule and schedule.on_error and monitor is None:
        text = f"true needs logged predictions. Add a table [pipelines.{name}.monitor]."
        problems.append(Problem(f"{prefix}.schedule]", text, "on_error", "on_error"))
    if len(problems) > before:
        return None
    variables = deploy.job_variables if deploy else {}
    return Pipeline(name, domain.name, description, tables, sweep, monitor, freshness, variables)


def _find_unknown_keys(raw: Mapping[str, Any], known: list[str], where: str, problems: list[Problem]) -> list[str]:
    """Return the keys of a table that are not known, and add them to `problems`."""
    unknown = [key for key in raw if key not in known]
    problems.extend(Problem(where, unknown_name("key", key, known), key) for key in unknown)
    return unknown


def _check_monitor(
    monitor: Monitor, domain: Monitored, ingest: Settings | None, where: str, problems: list[Problem]
) -> None:
    """Check the column that identifies predictions; only rows of a table have one."""
    if monitor.id is not None and not domain.may_have_id:
        text = f"predictions are identified by {domain.identified_by}. Leave it out."
        problems.append(Problem(where, text, "id", "id"))
    elif ingest:
        role = next((key for key, column in columns(ingest) if column == monitor.id and key in domain.roles), None)
        if role:
            text = f"{monitor.id!r} is named in ingest.{role}, so it does not identify a row. Name another column."
            problems.append(Problem(where, text, "id", "id"))


def _denied_columns(pipeline: Pipeline, patterns: Iterable[str]) -> Iterator[Problem]:
    """Yield a problem for each column of a pipeline that matches a pattern of the deny-list; case is ignored."""
    tables = {**pipeline.tables} | ({"monitor": pipeline.monitor} if pipeline.monitor else {})
    for table, settings in tables.items():
        for key, column in columns(settings):
            pattern = next((pattern for pattern in patterns if fnmatchcase(column.lower(), pattern.lower())), None)
            if pattern is not None:
                where = f"{PIPELINES_FILE} [pipelines.{pipeline.name}.{table}]"
                reason = f"the column {column!r} is denied by {pattern!r} in [defaults] deny."
                yield Problem(where, f"{reason} Name another, or leave it out.", key, key)


def _unread_columns(pipeline: Pipeline) -> Iterator[Problem]:
    """Yield a problem for each column that the source has a setting for and that ingest does not read."""
    known = [column for _, column in columns(pipeline.tables["ingest"])]
    for name in getattr(pipeline.tables["source"], "missing_in", ()):
        if name not in known:
            where = f"{PIPELINES_FILE} [pipelines.{pipeline.name}.source]"
            yield Problem(where, unknown_name("column", name, known), "missing_in", "missing_in")


def restore_settings(domain: str, values: Mapping[str, Any]) -> dict[str, Settings]:
    """Return the tables of a pipeline from the values in a run record, so that a champion keeps serving.

    Keys that have been removed since (`Settings.retired`) are ignored.

    Raises:
        RequestError: another value does not fit this release.
    """
    problems: list[Problem] = []
    tables: dict[str, Settings | None] = {}
    for name, choice in domain_of(domain).tables.items():
        tables[name] = read_table(choice, values.get(name, {}), name, name, problems, recorded=True)
    if SCHEMA in values:
        tables[SCHEMA] = validate_table(domain_of(domain).schema, values[SCHEMA], SCHEMA, problems)
    if problems:
        table, reason, key, _ = problems[0]
        received = f".{key} = {values[table][key]!r}" if key in values.get(table, {}) else ""
        release = f"gristmill {metadata.version('gristmill')}"
        raise RequestError(
            f"{release} cannot read the settings of this run. {table}{received}: {reason} Run the pipeline again."
        )
    return {name: table for name, table in tables.items() if table is not None}


def open_store(root: Path, store: str, cache: str, cache_gb: float | None) -> Store:
    """Return the store of a project; `GRISTMILL_STORE` and `GRISTMILL_CACHE` override `store` and `cache`."""
    location = _from_environment("GRISTMILL_STORE") or store
    if "://" not in location:
        return Store(root / Path(location).expanduser())
    cache = _from_environment("GRISTMILL_CACHE") or cache
    if "://" in cache:
        raise RequestError(f"GRISTMILL_CACHE: expected a folder. Received: {redact(cache)!r}. Correct it.")
    if location.startswith("s3://"):
        extras.require_extra(f"[defaults] store: {location!r}", "s3")
    from gristmill.store.remote.remote import Remote  # late: a store in a folder does not need it
    from gristmill.store.remote.shared_store import SharedStore

    limit = None if cache_gb is None else cache_gb * 1e9
    return SharedStore(root / Path(cache).expanduser(), Remote(location, limit))


def _from_environment(name: str) -> str | None:
    """Return the location in a variable; raise `RequestError` if it names no store."""
    location = os.environ.get(name)
    try:
        return check_store_location(location) if location and "://" in location else location
    except ValueError as error:
        raise RequestError(f"{name}: expected {error}. Received: {redact(location)!r}. Correct it.") from None
