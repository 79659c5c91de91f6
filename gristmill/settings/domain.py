"""The contract of a domain: one object for all that the other packages need to know about it.

Each domain fills it in `gristmill/domains/<domain>/domain.py`, and `gristmill/config/domains.py` lists these objects.
No stage imports one of them. Their references are text, so that the code of a report is in the key of no training, and
a command imports only what it uses.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gristmill.settings.base import Settings
from gristmill.settings.data_schema import Expectations
from gristmill.settings.kinds import Kinds
from gristmill.settings.messages import Problem
from gristmill.settings.stage import Stage
from gristmill.util.lazy import Lazy

if TYPE_CHECKING:  # of packages above this one: types only
    import pandas as pd

    from gristmill.data_schema.proposal import SchemaProposal
    from gristmill.domains.common.prediction import Prediction, Requests
    from gristmill.export.loaded_bundle import LoadedBundle
    from gristmill.monitoring.live_rows import LiveRows
    from gristmill.reports.sections import Section
    from gristmill.retraining.domain_retraining import DomainRetraining
    from gristmill.runs.retraining_record import Champion
    from gristmill.scaffold.data import Data
    from gristmill.scaffold.proposal import ForecastOptions, Proposal

Folders = Mapping[str, Path]  # of artifacts, by stage
Tables = Mapping[str, Settings]  # of a pipeline, by name
Points = Sequence[Mapping[str, Mapping[str, Any]]]  # candidates of a preset, each as the tables that it sets


class Options(Settings):
    """Options of a prediction. The command line, Python and `serve` accept these and no others."""

    max_served: ClassVar[Mapping[str, int]] = {}  # largest values that a request to a server may have


@dataclass(frozen=True)
class Domain:
    """A domain. What it cannot do is None."""

    name: str
    tables: Mapping[str, "type[Settings] | Kinds"]  # of a pipeline: the class of each, or what offers its kinds
    schema: type[Expectations]  # of the rules that ingested data must meet
    stages: tuple[Stage, ...]
    presets: Lazy[
        Mapping[str, "Points | Callable[[Tables], Points]"]
    ]  # candidates of `kind = "auto"`, cheap ones first
    propose_pipeline: Lazy["ProposePipeline"]  # for `gristmill init`
    propose_schema: Lazy["ProposeSchema"]
    few_examples: Lazy["TakeFewExamples"]  # for `gristmill check`
    report: Lazy["Report"]
    retraining: Lazy["DomainRetraining"]
    requests: Lazy["Requests"]  # how a server is asked
    predict_options: type[Options]
    prediction: Lazy["Prediction"] | None = None
    generate: Lazy["Generate"] | None = None  # for models that generate text instead of predicting
    monitored: "Monitored | None" = None
    check_tables: Callable[[Mapping[str, Any], str], Iterable[Problem]] | None = None
    """Yields problems between tables that are valid on their own, given the prefix of their names."""
    check_before_training: Lazy["CheckBeforeTraining"] | None = None


@dataclass(frozen=True)
class Monitored:
    """How logged predictions of a domain are identified and compared with their truth."""

    monitoring: Lazy["Monitoring"]
    may_have_id: bool  # whether a column of the user identifies rows (`monitor.id`)
    id_columns: tuple[str, ...] = ()  # of a prediction, which identify its rows if the user names no column
    identified_by: str = "their file"
    roles: tuple[str, ...] = ()  # keys of `ingest` whose columns are predicted or read, and so identify no row


class Report(Protocol):
    """Report of a finished run."""

    def sections(self, folders: dict[str, Path]) -> "Iterator[Section]":
        """Yield the sections: scores first, then the most important picture. Folders are artifacts by stage."""

    def headline_picture(self, folders: dict[str, Path]) -> bytes:
        """Return the most important picture as PNG; the only folder that is needed is that of evaluate."""


class Monitoring(Protocol):
    """Comparison of logged predictions with their truth."""

    def truth_column(self, ingest: Any) -> str | None:
        """Return the column of the truth in a file of the user; None if it arrives with the pipeline's data."""

    def live_rows(self, log: "pd.DataFrame", truth: Any, champion: "Champion", run: str) -> "LiveRows":
        """Return the logged rows with their scores. `truth` is a table or, if it arrives with the data, its folder."""


class ProposePipeline(Protocol):
    """Proposal of a pipeline from data."""

    def __call__(self, data: "Data", target: str | None, options: "ForecastOptions") -> "Proposal":
        """Return settings with a reason each; `options` are the horizon, test set and series of a forecast."""


class ProposeSchema(Protocol):
    """Proposal of a schema."""

    def __call__(self, folder: Path, ingest: Any) -> "SchemaProposal":
        """Return rules that the ingested data in a folder meets; `ingest` are the settings that made it."""


class TakeFewExamples(Protocol):
    """Choice of a few training examples."""

    def __call__(self, folders: Folders, out: Folders, limit: int | None = None) -> None:
        """Write the inputs of a training with a few examples, at most `limit`, to the folders `out`."""


class Generate(Protocol):
    """Generation of text."""

    def __call__(self, bundle: "LoadedBundle", options: Any) -> Iterator[str]:
        """Yield the prompt and its continuation; `options` are the `predict_options` of the domain."""


class CheckBeforeTraining(Protocol):
    """Check of what would fail only after a training."""

    def __call__(self, preprocessed: Path, tables: Mapping[str, Any], stages: Collection[Stage]) -> None:
        """Raise an error if the settings do not fit the preprocessed data; `stages` are those of the run."""
