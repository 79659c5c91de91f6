"""Predict with a model that serves: from files, one text or the pipeline's source; log what is monitored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gristmill.config.catalogue import Catalogue, restore_settings
from gristmill.config.domains import domain_of
from gristmill.domains.common.prediction import Prediction, PredictionRequest
from gristmill.errors import CorruptArtifact, DataError, RequestError
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.monitoring.prediction_columns import PREDICTED, position_of_reasons
from gristmill.project.logged_predictions import log_answer
from gristmill.project.prediction_source import reader_of, rows_to_predict, with_columns
from gristmill.registry.version import Version
from gristmill.retraining import known_data
from gristmill.retraining.source_checks import check_lost_rows
from gristmill.runs.locations import check_requested, locate
from gristmill.runs.records import Record
from gristmill.settings.base import Files, Settings
from gristmill.settings.domain import Domain
from gristmill.settings.messages import Problem
from gristmill.settings.validation import validate_table
from gristmill.sources.prepare import TableFiles

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Call:
    """Arguments of one prediction."""

    options: Any  # `predict_options` of the domain
    text: str | None
    below: Path | None  # folder that names of files are relative to
    before_logging: Callable[[], None] | None


class Predictor:
    """A version or the model of a run, with the settings of its run."""

    def __init__(self, catalogue: Catalogue, served: Version | Record, bundle: LoadedBundle) -> None:
        self._catalogue, self._served, self._bundle = catalogue, served, bundle
        self._pipeline = catalogue.pipeline(served.pipeline)  # with the current settings
        self._domain = domain_of(served.domain)
        self._tables = restore_settings(served.domain, served.settings)

    @cached_property
    def _prediction(self) -> Prediction:
        if self._domain.prediction is None:
            raise RequestError(f"a {self._domain.name} pipeline generates text instead of predicting.")
        return self._domain.prediction.load()

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
        options: Mapping[str, Any] = MappingProxyType({}),
        *,
        text: str | None = None,
        below: Path | None = None,
        before_logging: Callable[[], None] | None = None,
    ) -> "pd.DataFrame":
        """Predict from a file or folder, for one text, or from the pipeline's source.

        Names of files in the answer are relative to the folder `below`, if one is given. `before_logging` may raise an
        error if the answer is no longer wanted.

        Raises:
            RequestError: the domain does not have one of the options.
        """
        if text is not None and not self._prediction.reads_plain_texts:
            raise no_such_option(self._domain, "text")
        call = _Call(read_options(self._domain, options), text, below, before_logging)
        if place:
            return self._from_place(place, call)
        return self._from_source(call) if text is None else self._answer(call, self._tables["source"])

    def check_tensors(self, inputs: Mapping[str, Any]) -> None:
        """Check inputs of the SavedModel that its graph would accept at any cost, such as huge photos.

        Raises:
            RequestError: one of them is refused.
        """
        self._prediction.check_tensors(self.ingest, inputs)

    def log_tensors(self, body: bytes, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """Log the rows of a call of the SavedModel, if the pipeline is monitored.

        Windows of time series are not logged: they have no times.

        Raises:
            StoreError: they cannot be logged, so they must not be answered.
        """
        if self._pipeline.monitor is None:
            return
        rows = self._prediction.rows_of_tensors(self._bundle, inputs, outputs)
        if rows is not None:
            log_answer(self._catalogue.store, self._pipeline, self._served, rows, text=body.decode(errors="replace"))

    def _from_place(self, place: str, call: _Call) -> "pd.DataFrame":
        check_requested(place, "--input")
        source, suffixes = self._tables["source"], self._prediction.suffixes
        if suffixes is None:
            source = reader_of(place, source, self._pipeline.name, self._prediction.reads_plain_texts)
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
                paths = (*known_data.source_files(self._catalogue, pipeline, self._prediction.suffixes), *code)
                data, ingest = Path(folder), pipeline.tables["ingest"]
                if not self._prediction.read_source(source, ingest, paths, self._bundle.path, data):
                    return self._answer(call, source, paths)
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
            request = PredictionRequest(
                bundle=self._bundle,
                source=source,
                tables={**self._tables, "ingest": known_data.refusing_unusable_rows(self._tables["ingest"])},
                recorded=self._served.settings["ingest"],
                options=call.options,
                paths=paths,
                text=call.text,
                ingested=ingested,
                id_column=self.id_column,
                trained_on=self._preprocessed,
                scratch=Path(scratch),
            )
            answer = self._prediction.predict(request)
        if call.below and "file" in answer:
            answer["file"] = [Path(file).relative_to(call.below).as_posix() for file in answer["file"]]
        rows = rows_to_predict(source, paths) if PREDICTED in answer else None
        if rows is not None and "id" in answer and "id" in rows:
            answer["id"] = rows["id"]  # instead of the numbers of the rows
        if call.before_logging:
            call.before_logging()
        if self._pipeline.monitor:
            logged = answer.columns[: position_of_reasons(answer)]
            log_answer(self._catalogue.store, self._pipeline, self._served, answer[logged], paths, ingested, call.text)
        return answer if rows is None else with_columns(answer, rows)


def read_options(domain: Domain, given: Mapping[str, Any]) -> Any:
    """Return the options of a prediction as the `predict_options` of a domain.

    Raises:
        RequestError: the domain does not have one of them, or a value does not fit.
    """
    known = domain.predict_options.model_fields
    if unknown := sorted(given.keys() - known.keys()):
        raise no_such_option(domain, unknown[0])
    problems: list[Problem] = []
    options = validate_table(
        domain.predict_options, {name: _plain(value) for name, value in given.items()}, "", problems
    )
    if problems:
        raise RequestError(f"--{problems[0].key}: {problems[0].text}")
    return options


def _plain(value: Any) -> Any:
    """Return a number as Python's own, for example if it is NumPy's; other values as they are."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, Real) and not isinstance(value, Integral) else value


def no_such_option(domain: Domain, name: str) -> RequestError:
    """Return the error about an option that a domain does not have."""
    return RequestError(f"--{name}: a {domain.name} pipeline does not have this option. Leave it out.")
