"""Table of all domains and their stages.

`gristmill/domains/__init__.py` says what else a domain consists of. This table is outside every code closure.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gristmill.config.candidates import Candidate, candidates_of
from gristmill.settings.base import Settings
from gristmill.settings.messages import unknown_name
from gristmill.settings.selection import Auto


@dataclass(frozen=True)
class Stage:
    """One stage of a pipeline, or one point of a stage that fans out."""

    name: str
    tables: tuple[str, ...]  # tables of pipelines.toml whose values it uses, and the schema
    inputs: tuple[str, ...]  # stages whose artifacts it reads
    libraries: tuple[str, ...]  # distributions whose version can change its result
    resumable: bool = False  # resumes from a scratch folder after a kill
    when: Callable[[Mapping[str, Any]], bool] | None = None  # whether the pipeline has the stage, by its tables
    ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # table to keys that cannot change its result
    axes: tuple[tuple[str, str], ...] = ()  # axes to fan out over: (settings key of the count, argument of the number)
    point: Mapping[str, int] = field(default_factory=dict)  # number of the point by argument, from 0
    function: str = ""  # function of its module: by default the stage's name, or `chunk`
    chunked: bool = False  # its module has `chunks` and `chunk` for workers on other machines: it uses all cores of one
    fits: bool = False  # fits a model: with `kind = "auto"` there is one stage for each candidate
    compares: bool = False  # reads all candidates; other stages read the selected model only
    settings: Mapping[str, Settings] = field(default_factory=dict)  # the tables of a pipeline, or of a candidate
    candidate: str = ""  # name of the candidate that it fits

    @property
    def label(self) -> str:
        """The name, the candidate, and the numbers of a point from 1 on: `train theta`, `backtest 2/1`."""
        numbers = "/".join(str(number + 1) for number in self.point.values())
        return " ".join(filter(None, (self.name, self.candidate, numbers)))

    @property
    def is_baseline(self) -> bool:
        """Whether it fits a cheap model to compare others with."""
        return self.fits and bool(getattr(self.settings["model"], "baseline", False))

    def chunk(self, number: int) -> "Stage":
        """Return one chunk of the work as a point; only the stage itself reads its artifact."""
        return replace(self, function="chunk", point={"number": number}, chunked=False)

    def argument(self, name: str) -> str:
        """Return the argument for the folder of an input: the name of the stage, unless a table has the same name."""
        return f"{name}_folder" if name in self.tables else name


def _has_frozen_base(tables: Mapping[str, Any]) -> bool:
    """Return whether an image has the same features throughout a training: neither the base nor the image changes."""
    model, changes = tables["model"], tables["augment"].model_dump(exclude={"fill"}, exclude_defaults=True)
    return model.kind == "frozen" or (model.kind == "transfer" and model.frozen and not changes)


def _is_auto(tables: Mapping[str, Any]) -> bool:
    return isinstance(tables["model"], Auto)


SELECT = "select"  # stage that chooses among the candidates; later stages read its artifact in place of that of train
_TABLES = ("numpy", "pandas", "pyarrow")
_STATISTICS = ("scipy", "statsmodels")
_NETWORKS = ("keras", *_TABLES, "tensorflow")
_IMAGES = (*_TABLES, "pillow", "tensorflow")


def _ingest(*libraries: str) -> Stage:
    ignores = {"ingest": ("max_lost",)}  # the run itself checks it after ingest
    return Stage("ingest", ("source", "ingest", "schema"), (), libraries, ignores=ignores)


def _preprocess(*libraries: str, **options: Any) -> Stage:
    return Stage("preprocess", ("preprocess",), ("ingest",), libraries, **options)


def _train(
    *inputs: str,
    name: str = "train",
    tables: tuple[str, ...] = ("model", "train"),
    fits: bool = True,
    **options: Any,
) -> Stage:
    return Stage(name, tables, inputs, _NETWORKS, resumable=True, fits=fits, **options)


def _select(*inputs: str) -> Stage:
    read = ("preprocess", "train", *inputs)
    return Stage(SELECT, ("select",), read, _NETWORKS, compares=True, when=_is_auto)


def _evaluate(*inputs: str, statistics: tuple[str, ...] = (), **options: Any) -> Stage:
    read, libraries = ("preprocess", "train", *inputs), (*_NETWORKS, *statistics)
    return Stage("evaluate", ("evaluate",), read, libraries, compares=True, **options)


def _export(*inputs: str) -> Stage:
    return Stage("export", ("export",), ("preprocess", "train", "evaluate", *inputs), _NETWORKS)


STAGES: dict[str, tuple[Stage, ...]] = {
    "generation": (
        _ingest(*_TABLES),
        _preprocess(*_NETWORKS),
        _train("preprocess"),
        _select(),
        _evaluate(),
        _export(),
    ),
    "tabular": (
        _ingest(*_TABLES),
        _preprocess(*_TABLES),
        _train("preprocess"),
        _select(),
        _evaluate(),
        _export(),
    ),
    "text": (
        _ingest(*_TABLES, "tensorflow", "tensorflow-datasets"),
        _preprocess(*_NETWORKS, chunked=True),
        _train("ingest", "preprocess"),
        _select(),
        _evaluate("ingest", statistics=("scipy",)),
        _export("ingest"),
    ),
    "timeseries": (
        _ingest(*_TABLES),
        _preprocess(*_TABLES),
        _train("preprocess"),
        _train(
            "preprocess",
            name="backtest",
            tables=("model", "train", "backtest"),
            axes=(("windows", "window"), ("seeds", "seed")),
        ),
        _select("backtest"),
        _evaluate("backtest", statistics=_STATISTICS),
        _train(
            "preprocess",
            "train",
            name="refit",
            fits=False,
            when=lambda tables: tables["export"].refit,
            ignores={"model": ("preset", "candidates")},  # the selection names its members
        ),
        _export("refit"),
    ),
    "vision": (
        _ingest(*_IMAGES, "tensorflow-datasets"),
        _preprocess(*_IMAGES, chunked=True),
        Stage(
            "features",
            ("model",),
            ("preprocess",),
            _NETWORKS,
            when=_has_frozen_base,
            ignores={"model": ("units", "dropout")},
            chunked=True,
            fits=True,
        ),
        _train("preprocess", "features", tables=("model", "augment", "train")),
        _select(),
        _evaluate("features", statistics=("scipy",)),
        _export(),
    ),
}

DOMAINS = tuple(STAGES)
RENAMED_DOMAINS = {"regression": "tabular"}  # by their names in earlier versions, which records may hold
_COMPARED = ("train", "backtest")  # stages whose artifacts of all candidates are compared


def unknown_domain(received: Any) -> str:
    """Return the message about a domain that does not exist, with the new name of a renamed one."""
    renamed = RENAMED_DOMAINS.get(str(received))
    return unknown_name("domain", received, DOMAINS) + (f" It is called {renamed!r} now." if renamed else "")


def stages_of(domain: str, tables: Mapping[str, Settings]) -> list[Stage]:
    """Return the stages of a pipeline in their order, with each candidate and point of those that fan out.

    All stages that fit one candidate come before those of the next.
    """
    candidates = candidates_of(domain, tables)
    every: list[Stage] = []
    for fits, templates in itertools.groupby(STAGES[domain], key=lambda stage: stage.fits):
        variants = candidates if fits and candidates else [Candidate("", tables)]
        every += [point for one, template in itertools.product(variants, templates) for point in _points(template, one)]
    models = {f"{one.name}.model": one.tables["model"] for one in candidates}  # refit fits the selected ones again
    every = [replace(one, settings={**one.settings, **models}) if one.name == "refit" else one for one in every]
    return [replace(stage, inputs=tuple(_inputs(stage, every, bool(candidates)))) for stage in every]


def _inputs(stage: Stage, every: list[Stage], auto: bool) -> Iterator[str]:
    """Yield the labels of the stages that a stage reads, from the names in its template.

    With `kind = "auto"` a stage that fits reads those of its own candidate. Other stages read the selected model, and
    stages that compare the artifacts of all candidates.
    """
    for name in stage.inputs:
        found = [one for one in every if one.name == name]
        if auto and not stage.candidate and any(one.fits for one in found):
            if name == "train" and stage.name != SELECT:
                yield SELECT
            if not stage.compares or name not in _COMPARED:
                continue
        yield from (one.label for one in found if one.candidate in ("", stage.candidate) or not stage.candidate)


def settings_of_stages(stages: Iterable[Stage]) -> list[Settings]:
    """Return the different settings that stages use, those of candidates included."""
    return list({id(table): table for stage in stages for table in stage.settings.values()}.values())


def libraries_of(domain: str) -> tuple[str, ...]:
    """Return the distributions whose version can change a result of a domain's stages, sorted."""
    return tuple(sorted({library for stage in STAGES[domain] for library in stage.libraries}))


def _points(template: Stage, candidate: Candidate) -> list[Stage]:
    """Return a stage for each point, with the settings of the pipeline or of the candidate that it fits."""
    tables = candidate.tables
    if template.when and not template.when(tables):
        return []
    settings = {name: tables[name] for name in template.tables if name in tables}  # the schema is optional
    stage = replace(template, candidate=candidate.name, settings=settings, tables=tuple(settings))
    if not stage.axes:
        return [stage]
    counts = [range(getattr(tables[stage.name], key)) for key, _ in stage.axes]
    names = [argument for _, argument in stage.axes]
    return [replace(stage, point=dict(zip(names, point, strict=True))) for point in itertools.product(*counts)]


def module_of(domain: str, stage: str) -> str:
    """Return the module with a stage's function in a domain."""
    return f"gristmill.domains.{domain}.{stage}"
