"""Predict with a model that serves: from files, one text or the pipeline's source; log what is monitored."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gristmill.config.catalogue import Catalogue, restore_settings
from gristmill.config.tables import domain_module
from gristmill.errors import CorruptArtifact, DataError, RequestError
from gristmill.monitoring.prediction_columns import PREDICTED, position_of_reasons
from gristmill.project.monitoring import log_answer
from gristmill.project.prediction_source import reader_of, rows_to_predict, with_columns
from gristmill.registry.version import Version
from gristmill.retraining import known_data
from gristmill.retraining.source_checks import check_lost_rows
from gristmill.runs.locations import locate
from gristmill.runs.records import Record
from gristmill.settings.base import Files, Settings
from gristmill.sources.prepare import TableFiles

if TYPE_CHECKING:
    import pandas as pd


class Predictor:
    """A version or the model of a run, with the settings of its run and the options of one call."""

    def __init__(
        self, catalogue: Catalogue, served: Version | Record, export: Path, options: Mapping[str, int | str | Path]
    ) -> None:
        self._catalogue, self._served, self._export, self._options = catalogue, served, export, options
        self._pipeline = catalogue.pipeline(served.pipeline)  # with the current settings
        self._tables = restore_settings(served.domain, served.settings)
        self._domain = domain_module(served.domain, "predict")
        self._suffixes: tuple[str, ...] | None = getattr(self._domain, "SUFFIXES", None)
        self._parameters = inspect.signature(self._domain.predict).parameters
        if unknown := sorted(options.keys() - self._parameters.keys()):
            raise RequestError(f"--{unknown[0]}: a {served.domain} pipeline does not have this option. Leave it out.")
        if options.get("explain"):
            self._options = {**options, "explain": self._preprocessed()}

    def predict(self, place: str | None) -> "pd.DataFrame":
        """Predict from a file or folder, from the text in the options, or from the pipeline's source."""
        if place:
            return self._from_place(place)
        return self._answer(self._tables["source"]) if "text" in self._options else self._from_source()

    def _from_place(self, place: str) -> "pd.DataFrame":
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
        return self._answer(source, paths)

    def _from_source(self) -> "pd.DataFrame":
        source, store = self._tables["source"], self._catalogue.store
        pipeline = known_data.with_ingest_of(self._pipeline, self._served, self._tables["ingest"])
        with TemporaryDirectory() as folder:
            try:
                code = known_data.code_files(self._catalogue, source, self._served)
                paths = (*known_data.source_files(self._catalogue, pipeline, self._suffixes), *code)
                if not hasattr(self._domain, "read_source"):
                    return self._answer(source, paths)
                data = Path(folder)
                ingest = pipeline.tables["ingest"]
                self._domain.read_source(source=source, ingest=ingest, paths=paths, export=self._export, out=data)
                check_lost_rows(self._catalogue, pipeline, data)
            except DataError as error:
                data = known_data.last_good_data(store, pipeline, self._served, error)
            return self._answer(source, ingested=data)

    def _preprocessed(self) -> Path:
        """Return the folder of the data that the model was trained on."""
        try:
            return self._catalogue.store.open_verified(self._served.references["preprocess"]).path
        except CorruptArtifact as error:
            raise RequestError(
                f"--explain: {error} Contributions are relative to the training rows in this artifact. Leave --explain "
                f"out, or run again: gristmill run {self._pipeline.name}."
            ) from None

    def _answer(self, source: Settings, paths: tuple[Path, ...] = (), ingested: Path | None = None) -> "pd.DataFrame":
        """Predict from files, ingested data or the text; if monitored, log the predictions before returning them."""
        monitor = self._pipeline.monitor
        source = source.preparing_once() if isinstance(source, TableFiles) else source
        with TemporaryDirectory() as scratch:
            known = {
                "source": source,
                "ingest": known_data.refusing_unusable_rows(self._tables["ingest"]),
                "preprocess": self._tables["preprocess"],
                "export": self._export,
                "scratch": Path(scratch),
                "id_column": monitor.id if monitor else None,
            } | ({} if ingested is None else {"ingested": ingested})
            needed = {name: value for name, value in known.items() if name in self._parameters}
            answer: pd.DataFrame = self._domain.predict(**needed, **self._options, paths=paths)
        rows = rows_to_predict(source, paths) if PREDICTED in answer else None
        if rows is not None and "id" in answer and "id" in rows:
            answer["id"] = rows["id"]  # instead of the numbers of the rows
        if monitor:
            text = str(self._options["text"]) if "text" in self._options else None
            logged = answer.columns[: position_of_reasons(answer)]
            log_answer(self._catalogue.store, self._pipeline, self._served, answer[logged], paths, ingested, text)
        return answer if rows is None else with_columns(answer, rows)
