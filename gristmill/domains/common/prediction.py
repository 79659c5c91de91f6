"""Prediction with an exported model: what a domain is asked, by a command or a server, and what it does."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.settings.base import Settings
from gristmill.training.named_arrays import Array

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("text/csv", "application/x-ndjson")
DATE, TEXT = "2026-01-31", "A text to classify."


@dataclass(frozen=True)
class PredictionRequest:
    """What to predict, and with which model."""

    bundle: LoadedBundle
    source: Any  # reader of the files
    tables: Mapping[str, Any]  # settings of the model's run
    options: Any  # `predict_options` of the domain
    paths: tuple[Path, ...] = ()  # files to read
    text: str | None = None  # one text, instead of files
    ingested: Path | None = None  # folder of data that is ingested already, instead of files
    id_column: str | None = None  # column that identifies a row
    recorded: Mapping[str, Any] = field(default_factory=dict)  # `ingest` in the run's record, with earlier keys
    trained_on: Callable[[], Path] = Path  # returns the artifact of preprocess that the model was trained on
    scratch: Path = Path()  # empty folder

    @property
    def ingest(self) -> Any:
        """The table `ingest` of the model's run."""
        return self.tables["ingest"]


class Prediction(ABC):
    """How a domain predicts."""

    suffixes: tuple[str, ...] | None = None  # of files that are one example each, such as photos
    reads_plain_texts = False  # whether one text can be predicted: a file, or an argument

    @abstractmethod
    def predict(self, request: PredictionRequest) -> "pd.DataFrame":
        """Return a row for each example."""

    def read_source(self, source: Any, ingest: Settings, paths: tuple[Path, ...], export: Path, out: Path) -> bool:
        """Ingest the pipeline's own data to predict from into the folder `out`; return whether the domain does so."""
        return False

    def check_tensors(self, ingest: Any, inputs: Mapping[str, Any]) -> None:
        """Check inputs of the SavedModel that its graph would accept at any cost, such as huge photos."""
        return

    def rows_of_tensors(
        self, bundle: LoadedBundle, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> "pd.DataFrame | None":
        """Return the rows of a call of the SavedModel as `predict` would; None if they cannot be identified."""
        return None


@dataclass(frozen=True)
class Column:
    """Column of a row to predict."""

    name: str
    type: str  # of JSON Schema
    about: str
    example: Any


@dataclass(frozen=True)
class Requests:
    """Requests that a domain answers. Without columns, they are not made of rows."""

    content_types: tuple[str, ...] = TABLES  # of bodies that are files
    takes_json: bool = True
    needs_body: bool = True

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        """Return the columns of a row; `id_column` identifies rows, if there is one."""
        return []

    def example(self, columns: Sequence[Column]) -> Mapping[str, Any] | None:
        """Return the body of an example as JSON; None if the example has none, or a file."""
        return {"rows": [{column.name: column.example for column in columns}]} if columns else None

    def text_column(self, ingest: Any) -> str | None:
        """Return the column of a body that is one text; None if a body cannot be one."""
        return None


def identifier(name: str | None) -> list[Column]:
    """Return the column that identifies rows, if there is one."""
    return [Column(name, "string", "identifies the row, for its truth", "1")] if name else []
