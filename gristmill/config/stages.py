"""The table of names: what domains there are, and what a stage reads.

A domain is one row here, a folder `gristmill/<domain>/` and a flow `flows/<domain>.py`. In its folder `settings.py`
names its tables and each stage is a module holding a function of its own name. This table is outside every code
closure.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gristmill.settings.base import Settings


@dataclass(frozen=True)
class Stage:
    """One of the steps of a pipeline, or one point of a step that fans out."""

    name: str
    tables: tuple[str, ...]  # tables of pipelines.toml whose values it uses, and the schema where there is one
    inputs: tuple[str, ...]  # stages whose artifacts it reads
    libraries: tuple[str, ...]  # distributions whose version can change its result
    resumable: bool = False  # keeps a scratch folder from which it goes on after a kill
    warm: bool = False  # its training can begin from another network's weights (`with_warm_start`)
    when: Callable[[Mapping[str, Any]], bool] | None = None  # tells by the tables whether it is there at all
    ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # table to keys that cannot change its result
    axes: tuple[tuple[str, str], ...] = ()  # fans out: (key of its own table that counts, argument that is counted)
    point: Mapping[str, int] = field(default_factory=dict)  # argument to number from 0, of one point
    function: str = ""  # of its module that does it: the stage's name, or `chunk`
    chunked: tuple[str, ...] | None = None  # inputs that `chunks` and `chunk` of its module read, if it has them
    threaded: bool = False  # by itself it keeps all cores of this machine busy: chunks are for other machines

    @property
    def label(self) -> str:
        """The name, with the point's numbers from 1 on: `backtest 2/1`."""
        return " ".join(
            [self.name, *(["/".join(str(number + 1) for number in self.point.values())] if self.point else [])]
        )

    def chunk(self, number: int) -> "Stage":
        """Return one chunk of the work, from 0 on, as a point: what it writes is an artifact for the stage alone."""
        return replace(self, function="chunk", point={"number": number}, inputs=self.chunked or (), chunked=None)

    def argument(self, name: str) -> str:
        """Return the argument that takes the folder of a stage it reads: the stage's name, unless a table has it."""
        return f"{name}_folder" if name in self.tables else name


def _head_alone_learns(tables: Mapping[str, Any]) -> bool:
    """Whether a base gives the same features of an image in every epoch: neither of them is changed."""
    model, changes = tables["model"], tables["augment"].model_dump(exclude={"fill"}, exclude_defaults=True)
    return model.kind == "transfer" and model.frozen and not changes


_TABLES = ("numpy", "pandas", "pyarrow")
_STATISTICS = ("ruptures", "scipy", "statsmodels")
_NETWORKS = ("keras", *_TABLES, "tensorflow")
_IMAGES = (*_TABLES, "pillow", "tensorflow")

_CHECKED = {"ingest": ("max_lost",)}  # by the run itself, after ingest

STAGES: dict[str, tuple[Stage, ...]] = {
    "generation": (
        Stage("ingest", ("source", "ingest", "schema"), (), _TABLES, ignores=_CHECKED),
        Stage("preprocess", ("preprocess",), ("ingest",), _NETWORKS),
        Stage("train", ("model", "train"), ("preprocess",), _NETWORKS, resumable=True),
        Stage("evaluate", ("evaluate",), ("preprocess", "train"), _NETWORKS),
        Stage("export", ("export",), ("preprocess", "train", "evaluate"), _NETWORKS),
    ),
    "tabular": (
        Stage("ingest", ("source", "ingest", "schema"), (), _TABLES, ignores=_CHECKED),
        Stage("preprocess", ("preprocess",), ("ingest",), _TABLES),
        Stage("train", ("model", "train"), ("preprocess",), _NETWORKS, resumable=True),
        Stage("evaluate", ("evaluate",), ("preprocess", "train"), _NETWORKS),
        Stage("export", ("export",), ("preprocess", "train", "evaluate"), _NETWORKS),
    ),
    "text": (
        Stage(
            "ingest",
            ("source", "ingest", "schema"),
            (),
            (*_TABLES, "tensorflow", "tensorflow-datasets"),
            ignores=_CHECKED,
        ),
        Stage("preprocess", ("preprocess",), ("ingest",), _NETWORKS, chunked=("ingest",), threaded=True),
        Stage("train", ("model", "train"), ("preprocess",), _NETWORKS, resumable=True),
        Stage("evaluate", ("evaluate",), ("preprocess", "train", "ingest"), (*_NETWORKS, "scipy")),
        Stage("export", ("export",), ("preprocess", "train", "evaluate", "ingest"), _NETWORKS),
    ),
    "timeseries": (
        Stage("ingest", ("source", "ingest", "schema"), (), _TABLES, ignores=_CHECKED),
        Stage("preprocess", ("preprocess",), ("ingest",), _TABLES),
        Stage("train", ("model", "train"), ("preprocess",), _NETWORKS, resumable=True, warm=True),
        Stage(
            "backtest",
            ("model", "train", "backtest"),
            ("preprocess",),
            _NETWORKS,
            resumable=True,
            axes=(("windows", "window"), ("seeds", "seed")),
        ),
        Stage(
            "evaluate",
            ("evaluate",),
            ("preprocess", "train", "backtest"),
            (*_NETWORKS, *_STATISTICS),
            chunked=("preprocess",),
        ),
        Stage(
            "refit",
            ("model", "train"),
            ("preprocess", "train"),
            _NETWORKS,
            resumable=True,
            warm=True,
            when=lambda tables: tables["export"].refit,
        ),
        Stage("export", ("export",), ("preprocess", "train", "evaluate", "refit"), _NETWORKS),
    ),
    "vision": (
        Stage(
            "ingest",
            ("source", "ingest", "schema"),
            (),
            (*_IMAGES, "tensorflow-datasets"),
            ignores=_CHECKED,
            chunked=(),
            threaded=True,
        ),
        Stage("preprocess", ("preprocess",), ("ingest",), _IMAGES, chunked=("ingest",), threaded=True),
        Stage(
            "features",
            ("model",),
            ("preprocess",),
            _NETWORKS,
            when=_head_alone_learns,
            ignores={"model": ("units", "dropout")},
            chunked=("preprocess",),
            threaded=True,
        ),
        Stage("train", ("model", "augment", "train"), ("preprocess", "features"), _NETWORKS, resumable=True),
        Stage("evaluate", ("evaluate",), ("preprocess", "train", "features"), (*_NETWORKS, "scipy")),
        Stage("export", ("export",), ("preprocess", "train", "evaluate"), _NETWORKS),
    ),
}

DOMAINS = tuple(STAGES)
START = "start"  # the input, of no stage of its own, from whose weights training begins


def stages_of(domain: str, tables: Mapping[str, Settings]) -> list[Stage]:
    """Return the stages that a pipeline asks for in their order, those that fan out point by point."""
    points = {stage.name: _points(stage, tables) for stage in STAGES[domain]}
    labels = {name: tuple(stage.label for stage in found) for name, found in points.items()}
    return [
        replace(
            stage,
            tables=tuple(name for name in stage.tables if name in tables),  # a schema there need not be
            inputs=tuple(label for name in stage.inputs for label in labels[name]),
        )
        for found in points.values()
        for stage in found
    ]


def fans_out(domain: str, tables: Mapping[str, Settings]) -> bool:
    """Whether a pipeline has stages of several points or chunks, which can be made side by side."""
    return any(stage.point or stage.chunked is not None for stage in stages_of(domain, tables))


def with_warm_start(stage: Stage) -> Stage:
    """Return a stage as one whose training begins from a network that it reads, if it can."""
    return replace(stage, inputs=(*stage.inputs, START)) if stage.warm else stage


def libraries_of(domain: str) -> tuple[str, ...]:
    """Return the distributions whose version can change a result of a domain's stages, sorted."""
    return tuple(sorted({library for stage in STAGES[domain] for library in stage.libraries}))


def _points(stage: Stage, tables: Mapping[str, Settings]) -> list[Stage]:
    if stage.when and not stage.when(tables):
        return []
    if not stage.axes:
        return [stage]
    counts = [range(getattr(tables[stage.name], key)) for key, _ in stage.axes]
    names = [argument for _, argument in stage.axes]
    return [replace(stage, point=dict(zip(names, point, strict=True))) for point in itertools.product(*counts)]


def module_of(domain: str, stage: str) -> str:
    """Return the module that holds a stage's core function for a domain."""
    return f"gristmill.domains.{domain}.{stage}"
