"""Stages of a domain, as plain values: what each reads, what can change its result, and where its function is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gristmill.settings.base import Settings
from gristmill.settings.selection import is_auto
from gristmill.util.lazy import Lazy

SELECT = "select"  # stage that chooses among the candidates; later stages read its artifact in place of that of train
TABLES = ("numpy", "pandas", "pyarrow")
NETWORKS = ("keras", *TABLES, "tensorflow")
"""Libraries of stages that read tables, and of those that run networks."""


@dataclass(frozen=True)
class Stage:
    """One stage of a pipeline, or one point of a stage that fans out."""

    name: str
    core: str  # "module:function" of the function that makes its artifact
    tables: tuple[str, ...]  # tables of pipelines.toml whose values it uses, and the schema
    inputs: tuple[str, ...]  # stages whose artifacts it reads
    libraries: tuple[str, ...]  # distributions whose version can change its result
    resumable: bool = False  # resumes from a scratch folder after a kill
    when: Callable[[Mapping[str, Any]], bool] | None = None  # whether the pipeline has the stage, by its tables
    ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # table to keys that cannot change its result
    axes: tuple[tuple[str, str], ...] = ()  # axes to fan out over: (settings key of the count, argument of the number)
    point: Mapping[str, int] = field(default_factory=dict)  # number of the point by argument, from 0
    chunked: bool = False  # its module has `chunks` and `chunk` for workers on other machines: it uses all cores of one
    is_chunk: bool = False  # is one of these chunks
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

    @property
    def module(self) -> str:
        """The module with its core function, from which the closure of its code starts."""
        return self.core.partition(":")[0]

    def load(self) -> Callable[..., dict[str, int]]:
        """Import its core function."""
        return Lazy[Callable[..., dict[str, int]]](self.core).load()

    def load_chunks(self) -> Callable[..., int]:
        """Import the function that returns how many chunks it has."""
        return Lazy[Callable[..., int]](f"{self.module}:chunks").load()

    def chunk(self, number: int) -> "Stage":
        """Return one chunk of the work as a point; only the stage itself reads its artifact."""
        core = f"{self.module}:chunk"
        return replace(self, core=core, point={"number": number}, chunked=False, is_chunk=True)

    def argument(self, name: str) -> str:
        """Return the argument for the folder of an input: the name of the stage, unless a table has the same name."""
        return f"{name}_folder" if name in self.tables else name


def ingest_stage(package: str, *libraries: str) -> Stage:
    """Return the stage that reads the source; `package` is that of the domain."""
    return Stage("ingest", f"{package}.ingest:ingest", ("source", "ingest", "schema"), (), libraries)


def preprocess_stage(package: str, *libraries: str, chunked: bool = False) -> Stage:
    """Return the stage that splits and prepares the ingested data."""
    core = f"{package}.preprocess:preprocess"
    return Stage("preprocess", core, ("preprocess",), ("ingest",), libraries, chunked=chunked)


def train_stage(
    package: str,
    *inputs: str,
    name: str = "train",
    tables: tuple[str, ...] = ("model", "train"),
    fits: bool = True,
    **options: Any,
) -> Stage:
    """Return the stage that trains the model, or each candidate; with another name, another stage that trains."""
    return Stage(name, f"{package}.{name}:{name}", tables, inputs, NETWORKS, resumable=True, fits=fits, **options)


def select_stage(package: str, *inputs: str) -> Stage:
    """Return the stage that selects among the candidates, given the stages that it reads besides the training."""
    read = ("preprocess", "train", *inputs)
    return Stage(SELECT, f"{package}.select:select", ("select",), read, NETWORKS, compares=True, when=is_auto)


def evaluate_stage(package: str, *inputs: str, statistics: tuple[str, ...] = ()) -> Stage:
    """Return the stage that scores the model; `statistics` are libraries for that."""
    read, libraries = ("preprocess", "train", *inputs), (*NETWORKS, *statistics)
    return Stage("evaluate", f"{package}.evaluate:evaluate", ("evaluate",), read, libraries, compares=True)


def export_stage(package: str, *inputs: str) -> Stage:
    """Return the stage that writes and proves the bundle."""
    read = ("preprocess", "train", "evaluate", *inputs)
    return Stage("export", f"{package}.export:export", ("export",), read, NETWORKS)
