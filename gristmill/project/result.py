"""Result of a run, for Python, notebooks and the command line: scores, predictions, pictures, models."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.config.domains import domain_of
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.reports.page import as_html, as_text
from gristmill.reports.run import leaderboard, leaderboard_section, stage_folders, write_report
from gristmill.reports.scores import short_table
from gristmill.reports.sections import Section
from gristmill.runs.records import Record, headline
from gristmill.scores import FILE, Scores
from gristmill.sources.quarantine import QUARANTINE_FILE
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store
from gristmill.util.table_io import read_document, read_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Result:
    """A run of a pipeline and its artifacts, which are read from the store on access.

    As the last value of a notebook cell, it is shown as the scores of model and baselines, the leaderboard of
    candidates, and the first picture of the report. Access raises `RequestError` if the run has no such artifact, and
    `CorruptArtifact` if the artifact was removed (`gristmill gc`) or altered.
    """

    record: Record
    description: str  # of the pipeline
    store: Store = field(compare=False)

    @property
    def scores(self) -> "pd.DataFrame":
        """Scores on the test set: a row for the model, then one for each baseline, the best first."""
        return self.scores_of("test")

    def scores_of(self, part: str) -> "pd.DataFrame":
        """Return scores on `test`, `validation` or another part: a row for the model, then one for each baseline."""
        import pandas as pd

        scores = self.typed_scores
        if part not in scores.model:
            known = ", ".join(scores.model)
            raise RequestError(f"{self._name}: part {part!r} was not scored. Known: {known}.")
        return pd.DataFrame({name: by_part[part] for name, by_part in scores.best_first(part)}).T

    @property
    def predictions(self) -> "pd.DataFrame":
        """Predictions of model and baselines for each scored row, with the true value; column `part` names the set."""
        path = self.folder("evaluate") / "predictions.parquet"
        if not path.exists():
            raise RequestError(f"{self._name}: a {self.record.domain} pipeline has no predictions. See scores.")
        return read_table(path)

    @property
    def history(self) -> "pd.DataFrame":
        """The training by `epoch`: `loss`, `val_loss`, `rate`; empty for a model in closed form or among candidates."""
        return read_table(self.folder(self.record.model_stage) / "epochs.parquet")

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """The candidates of a model of kind "auto", the lowest loss first: losses, weights, costs, test scores."""
        if "select" not in self.record.references:
            raise RequestError(f'{self._name}: it had one model. Set model.kind = "auto" to try several candidates.')
        return leaderboard(self._artifacts(), self.typed_scores)

    @property
    def headline(self) -> dict[str, Any] | None:
        """The most important score: `metric`, `model`, `baseline` and `validation`; None without scores."""
        summary = headline(self.record, self.store)
        return summary.as_json() if summary else None

    @property
    def evaluation(self) -> dict[str, Any]:
        """All scores as JSON values: model and baselines by part, the best baseline, the headline."""
        evaluation: dict[str, Any] = read_document(self.folder("evaluate") / FILE)
        return evaluation

    @property
    def typed_scores(self) -> Scores:
        """The same as a typed object, for the package's own use."""
        return Scores.read(self.folder("evaluate"))

    @property
    def is_scored(self) -> bool:
        """Whether the run was scored and its scores were not removed since."""
        reference = self.record.references.get("evaluate")
        if reference is None:
            return False
        with suppress(CorruptArtifact):
            self.folder("evaluate")
            return True
        return self.store.path("evaluate", reference["key"]).exists()  # damaged scores raise an error on access

    @property
    def quarantine(self) -> Path | None:
        """The list of rows that ingest set aside; None without such rows."""
        reference = self.record.references.get("ingest")
        file = self.store.path("ingest", reference["key"]) / QUARANTINE_FILE if reference else None
        return file if file and file.exists() else None

    @property
    def report(self) -> Path:
        """The HTML report, rendered now."""
        return write_report(self.record, self.description, self.store)

    @property
    def bundle(self) -> Path:
        """The folder of the exported models."""
        return self.folder("export")

    @property
    def logs(self) -> dict[str, Path]:
        """The folders of TensorBoard logs of the run's trainings, by stage."""
        references = self.record.references.items()
        folders = {label: self.store.logs(self.record.pipeline, ref["key"]) for label, ref in references}
        return {label: folder for label, folder in folders.items() if folder.is_dir()}

    def folder(self, stage: str) -> Path:
        """Return the folder of a stage's artifact, after hashing the files that were touched since they were hashed."""
        if stage not in self.record.references:
            known = ", ".join(self.record.references) or "none"
            raise RequestError(f"{self._name}: it has no result of {stage}. Known: {known}.")
        return self.store.open_verified(self.record.references[stage], by_stat=True).path

    def __repr__(self) -> str:
        return as_text(self._section())

    def _repr_html_(self) -> str:
        pictures: list[str] = []
        if "evaluate" in self.record.references:
            with suppress(CorruptArtifact):  # an artifact is missing
                sections = domain_of(self.record.domain).report.load().sections(stage_folders(self._artifacts()))
                pictures = next((section.pictures for section in sections if section.pictures), [])
        return as_html(replace(self._section(), pictures=pictures))

    def _section(self) -> Section:
        """Return a summary of the run with its scores, or with why they are missing."""
        record = self.record
        outcome = f"{record.outcome}: {record.error}" if record.error else record.outcome
        stages = dict.fromkeys(label.split()[0] for label, stage in record.stages.items() if not stage.cached)
        note = f"run {record.id}, {outcome}, {record.seconds:.1f} s; made: {', '.join(stages) or 'nothing'}"
        if "evaluate" not in record.references:
            return Section(record.pipeline, note)
        try:
            scores = self.typed_scores
            tables = [short_table(scores)]
            if scores.selected:
                tables += leaderboard_section(self.leaderboard, scores, "").tables[:1]
            return Section(record.pipeline, note, tables=tables)
        except CorruptArtifact as damage:
            return Section(record.pipeline, f"{note}. {damage}")

    def _artifacts(self) -> dict[str, Artifact]:
        """Return the artifacts by stage, after hashing the files that were touched since they were hashed."""
        references = self.record.references.items()
        return {label: self.store.open_verified(reference, by_stat=True) for label, reference in references}

    @property
    def _name(self) -> str:
        return f"run {self.record.id} of {self.record.pipeline}"
