"""Predict with a model that serves: from files, one text or the pipeline's source; log what is monitored."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gristmill.config.catalogue import Catalogue, restore_settings
from gristmill.config.tables import domain_module
from gristmill.errors import CorruptArtifact, DataError, RequestError
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.monitoring.prediction_columns import PREDICTED, position_of_reasons
from gristmill.project.monitoring import log_answer
from gristmill.project.prediction_source import reader_of, rows_to_predict, with_columns
from gristmill.registry.version import Version
from gristmill.retraining import known_data
from gristmill.retraining.source_checks import check_lost_rows
from gristmill.runs.locations import check_requested, locate
from gristmill.runs.records import Record
from gristmill.settings.base import Files, Settings
from gristmill.sources.prepare import TableFiles

if TYPE_CHECKING:
    import pandas as pd


Options = Mapping[str, int | str | Path]


@dataclass(frozen=True)
class _Call:
    """Options of one prediction, the folder that names of files are relative to, and what is called before logging."""

    options: Options
    below: Path | None
    before_logging: Callable[[], None] | None


class Predictor:
    """A version or the model of a run, with the settings of its run."""

    def __init__(self, catalogue: Catalogue, served: Version | Record, bundle: LoadedBundle) -> None:
        self._catalogue, self._served, self._bundle = catalogue, served, bundle
        self._pipeline = catalogue.pipeline(served.pipeline)  # with the current settings
        self._tables = restore_settings(served.domain, served.settings)

    @cached_property
    def _domain(self) -> Any:
        return domain_module(self._served.domain, "predict")

    @cached_property
    def _parameters(self) -> Collection[str]:
        return inspect.signature(self._domain.predict).parameters.keys()

    @property
    def _suffixes(self) -> tuple[str, ...] | None:
        return getattr(self._domain, "SUFFIXES", None)

    @property
    def ingest(self) -> Any:
        """The table `ingest` of the model's run, a class of its domain."""
        return self._tables["ingest"]

    @property
    def id_column(self) -> str | None:
        """The column that identifies the rows of predictions that are logged, if there is one."""
        return self._pipeline.monitor.id if self._pipeline.monitor else None

    def predict(
        self,
        place: str | None,
        options: Options = MappingProxyType({}),
        *,
        below: Path | None = None,
        before_logging: Callable[[], None] | None = None,
    ) -> "pd.DataFrame":
        """Predict from a file or folder, from the text in the options, or from the pipeline's source.

        Names of files in the answer are relative to the folder `below`, if one is given. `before_logging` may raise an
        error if the answer is no longer wanted.

        Raises:
            RequestError: the domain does not have one of the options.
        """
        if unknown := sorted(options.keys() - self._parameters):
            domain = self._served.domain
            raise RequestError(f"--{unknown[0]}: a {domain} pipeline does not have this option. Leave it out.")
        if options.get("explain"):
            options = {**options, "explain": self._preprocessed()}
        call = _Call(options, below, before_logging)
        if place:
            return self._from_place(place, call)
        return self._answer(call, self._tables["source"]) if "text" in options else self._from_source(call)

    def check_tensors(self, inputs: Mapping[str, Any]) -> None:
        """Check inputs of the SavedModel that its graph would accept at any cost, such as huge photos.

        Raises:
            RequestError: one of them is refused.
        """
        if check := getattr(self._domain, "check_tensors", None):
            check(self.ingest, inputs)

    def log_tensors(self, body: bytes, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """Log the rows of a call of the SavedModel, if the pipeline is monitored.

        Windows of time series are not logged: they have no times.

        Raises:
            StoreError: they cannot be logged, so they must not be answered.
        """
        if self._pipeline.monitor and (answer := getattr(self._domain, "answer_of_tensors", None)):
            rows = answer(self._bundle, inputs, outputs)
            log_answer(self._catalogue.store, self._pipeline, self._served, rows, text=body.decode(errors="replace"))

    def _from_place(self, place: str, call: _Call) -> "pd.DataFrame":
        check_requested(place, "--input")
        source, suffixes = self._tables["source"], self._suffixes
        if suffixes is None:
            source = reader_of(place, source, self._pipeline.name, getattr(self._domain, "PLAIN", False))
            suffixes = source.suffixes if isinstance(source, Files) else ("",)
        downloads = self._catalogue.store.root / "downloads"
        try:
            paths = locate(place, Path.cwd(), "--input", downloads, suffixes=suffixes).files
            paths = (*paths, *known_data.code_files(self._catalogue, source, self._served))
        except DataError as error:  # here the request is wrong, not the pipeline's data
            raise RequestError(str(error)) from None
        return self._answer(call, source, paths)

    def _from_source(self, call: _Call) -> "pd.DataFrame":
        source, store = self._tables["source"], self._catalogue.store
        pipeline = known_data.with_ingest_of(self._pipeline, self._served, self._tables["ingest"])
        with TemporaryDirectory() as folder:
            try:
                code = known_data.code_files(self._catalogue, source, self._served)
                paths = (*known_data.source_files(self._catalogue, pipeline, self._suffixes), *code)
                if not hasattr(self._domain, "read_source"):
                    return self._answer(call, source, paths)
                data = Path(folder)
                ingest = pipeline.tables["ingest"]
                self._domain.read_source(source=source, ingest=ingest, paths=paths, export=self._bundle.path, out=data)
                check_lost_rows(self._catalogue, pipeline, data)
            except DataError as error:
                data = known_data.last_good_data(store, pipeline, self._served, error)
            return self._answer(call, source, ingested=data)

    def _preprocessed(self) -> Path:
        """Return the folder of the data that the model was trained on."""
        try:
            return self._catalogue.store.open_verified(self._served.references["preprocess"]).path
        except CorruptArtifact as error:
            raise RequestError(
                f"--explain: {error} Contributions are relative to the training rows in this artifact. Leave --explain "
                f"out, or run again: gristmill run {self._pipeline.name}."
            ) from None

    def _answer(
        self, call: _Call, source: Settings, paths: tuple[Path, ...] = (), ingested: Path | None = None
    ) -> "pd.DataFrame":
        """Predict from files, ingested data or the text; if monitored, log the predictions before returning them."""
        source = source.preparing_once() if isinstance(source, TableFiles) else source
        with TemporaryDirectory() as scratch:
            known = {
                "source": source,
                "ingest": known_data.refusing_unusable_rows(self._tables["ingest"]),
                "recorded": self._served.settings["ingest"],
                "preprocess": self._tables["preprocess"],
                "bundle": self._bundle,
                "scratch": Path(scratch),
                "id_column": self.id_column,
            } | ({} if ingested is None else {"ingested": ingested})
            needed = {name: value for name, value in known.items() if name in self._parameters}
            answer: pd.DataFrame = self._domain.predict(**needed, **call.options, paths=paths)
        if call.below and "file" in answer:
            answer["file"] = [Path(file).relative_to(call.below).as_posix() for file in answer["file"]]
        rows = rows_to_predict(source, paths) if PREDICTED in answer else None
        if rows is not None and "id" in answer and "id" in rows:
            answer["id"] = rows["id"]  # instead of the numbers of the rows
        if call.before_logging:
            call.before_logging()
        if self._pipeline.monitor:
            text = str(call.options["text"]) if "text" in call.options else None
            logged = answer.columns[: position_of_reasons(answer)]
            log_answer(self._catalogue.store, self._pipeline, self._served, answer[logged], paths, ingested, text)
        return answer if rows is None else with_columns(answer, rows)
