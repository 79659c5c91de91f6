"""Predict with a model that serves: from files, one text or the pipeline's source; log what is monitored."""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
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
from gristmill.registry.version import Version
from gristmill.retraining import known_data
from gristmill.retraining.arrivals import check_arrival
from gristmill.runs.locations import check_requested, locate
from gristmill.runs.records import Record
from gristmill.settings.base import Files, Settings
from gristmill.settings.domain import Domain
from gristmill.settings.messages import Problem
from gristmill.settings.validation import validate_table
from gristmill.sources.tables.csv import Csv, is_tab_separated
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet
from gristmill.sources.tables.table_files import TableFiles
from gristmill.sources.texts.folder import TEXTS, Folder

if TYPE_CHECKING:
    import pandas as pd


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
        answer = partial(self._answer, read_options(self._domain, options), text, below, before_logging)
        if place:
            return answer(*self._files_at(place))
        source = self._tables["source"]
        if text is not None:
            return answer(source)

        # Read the pipeline's source, or the last good data if it cannot be used now.
        pipeline = known_data.with_ingest_of(self._pipeline, self._served, self.ingest)
        with TemporaryDirectory() as folder:
            data = Path(folder)
            try:
                code = known_data.code_files(self._catalogue, source, self._served)
                paths = (*known_data.source_files(self._catalogue, pipeline, self._prediction.suffixes), *code)
                if not self._prediction.read_source(source, pipeline.tables["ingest"], paths, self._bundle.path, data):
                    return answer(source, paths)
                check_arrival(self._catalogue, pipeline, data)
            except DataError as error:
                data = known_data.last_good_data(self._catalogue.store, pipeline, self._served, error)
            return answer(source, ingested=data)

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

    def _files_at(self, place: str) -> tuple[Any, tuple[Path, ...]]:
        """Return the reader of a place and its files, with those of own code."""
        check_requested(place, "--input")
        source, suffixes = self._tables["source"], self._prediction.suffixes
        if suffixes is None:
            source = reader_of(place, source, self._pipeline.name, self._prediction.reads_plain_texts)
            suffixes = source.suffixes if isinstance(source, Files) else ("",)
        downloads = self._catalogue.store.root / "downloads"
        try:
            paths = locate(place, Path.cwd(), "--input", downloads, suffixes=suffixes).files
            return source, (*paths, *known_data.code_files(self._catalogue, source, self._served))
        except DataError as error:  # here the request is wrong, not the pipeline's data
            raise RequestError(str(error)) from None

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
        self,
        options: Any,
        text: str | None,
        below: Path | None,
        before_logging: Callable[[], None] | None,
        source: Settings,
        paths: tuple[Path, ...] = (),
        ingested: Path | None = None,
    ) -> "pd.DataFrame":
        """Predict from files, ingested data or the text; if monitored, log the predictions before returning them."""
        source = source.preparing_once() if isinstance(source, TableFiles) else source
        with TemporaryDirectory() as scratch:
            request = PredictionRequest(
                bundle=self._bundle,
                source=source,
                tables={**self._tables, "ingest": known_data.refusing_unusable_rows(self.ingest)},
                recorded=self._served.settings["ingest"],
                options=options,
                paths=paths,
                text=text,
                ingested=ingested,
                id_column=self.id_column,
                trained_on=self._preprocessed,
                scratch=Path(scratch),
            )
            answer = self._prediction.predict(request)

        # Name rows and files as the caller does.
        if below and "file" in answer:
            answer["file"] = [Path(file).relative_to(below).as_posix() for file in answer["file"]]
        rows = source.whole(paths) if paths and PREDICTED in answer and isinstance(source, TableFiles) else None
        if rows is not None and "id" in answer and "id" in rows:
            answer["id"] = rows["id"]  # instead of the numbers of the rows

        # Log the predictions, if their answer is still wanted.
        if before_logging:
            before_logging()
        if self._pipeline.monitor:
            logged = answer[answer.columns[: position_of_reasons(answer)]]
            log_answer(self._catalogue.store, self._pipeline, self._served, logged, paths, ingested, text)
        return answer if rows is None else with_columns(answer, rows)


def read_options(domain: Domain, values: Mapping[str, Any]) -> Any:
    """Return the options of a prediction as the `predict_options` of a domain.

    Raises:
        RequestError: the domain does not have one of them, or a value does not fit.
    """
    known = domain.predict_options.model_fields
    if unknown := sorted(values.keys() - known.keys()):
        raise no_such_option(domain, unknown[0])
    plain: dict[str, Any] = {}
    for name, value in values.items():  # numbers may be NumPy's
        is_integer = isinstance(value, Integral)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        plain[name] = (int(value) if is_integer else float(value)) if is_number else value
    problems: list[Problem] = []
    options = validate_table(domain.predict_options, plain, "", problems)
    if problems:
        raise RequestError(f"--{problems[0].key}: {problems[0].text}")
    return options


def no_such_option(domain: Domain, name: str) -> RequestError:
    """Return the error about an option that a domain does not have."""
    return RequestError(f"--{name}: a {domain.name} pipeline does not have this option. Leave it out.")


def reader_of(place: str, source: Settings, pipeline: str, plain: bool = False) -> Settings:
    """Return the reader of a place: the source if the name matches its files, else the default one of that suffix.

    The default reader of a table cleans it by the source's `prepare`, and knows its marks of missing values, too.
    A folder is read like the source, unless it has no files like those of the source but plain texts. `plain` says
    whether files can be read as one text each.
    """
    # Collect the readers in order of preference: the source itself, then the default one of each suffix.
    file = Path(place).name
    shared: dict[str, Any] = {}
    if isinstance(source, TableFiles):
        shared = {name: getattr(source, name) for name in ("prepare", "missing", "missing_in")}
    readers: list[Files] = [Csv(kind="csv", path=file, **shared)]
    readers += [Jsonl(kind="jsonl", path=file, **shared), Parquet(kind="parquet", path=file, **shared)]
    readers += [Folder(kind="folder", path=file)] if plain else []
    if isinstance(source, Csv) and is_tab_separated(place) != is_tab_separated(source.path):
        readers[0] = Csv(path=file, **source.model_dump(exclude={"path", "refresh", "sha256", "separator"}))
    elif isinstance(source, Files):
        readers.insert(0, source)
    for reader in readers:
        if place.lower().endswith(reader.suffixes):
            return reader

    # Choose for a place whose name says nothing.
    is_json = place.lower().endswith((".json", ".json.gz")) and not isinstance(source, Jsonl)
    if isinstance(source, Files) and not is_json:
        names = [path.name.lower() for path in Path(place).rglob("*")] if plain and Path(place).is_dir() else []
        only_texts = any(name.endswith(TEXTS) for name in names) and not any(
            name.endswith(source.suffixes) for name in names
        )
        return readers[-1] if only_texts else source
    if plain and Path(place).is_dir():
        return readers[-1]
    reason = f"[pipelines.{pipeline}.source] reads no files, so it does not say how to read this one"
    if is_json:
        reason = "unknown file type '.json'; write each object of an array on its own line of a .jsonl file"
    raise RequestError(
        f"--input {place}: {reason}. "
        f"Expected a .csv, .jsonl or .parquet file with the pipeline's columns{', or a .txt file' if plain else ''}."
    )


def with_columns(answer: "pd.DataFrame", rows: "pd.DataFrame") -> "pd.DataFrame":
    """Return the predictions of rows after all columns of the rows.

    Columns that have the name of a prediction, such as those of an earlier call, are replaced.
    """
    import pandas as pd

    predictions = answer.loc[:, PREDICTED:]
    names = answer.columns.difference([*predictions, *rows], sort=False)
    return pd.concat(
        [answer[names], rows[rows.columns.difference(predictions.columns, sort=False)], predictions], axis=1
    )
