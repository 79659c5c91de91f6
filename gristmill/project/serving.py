"""Models that serve a pipeline: the champion, a given version or, if none was promoted, the last run's model.

The last run is that of the pipeline's own settings: a run with `--set` serves only if it is promoted by its ID.
"""

import importlib
import inspect
import logging
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from gristmill.config import catalogue as config
from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.errors import CorruptArtifact, DataError, RequestError
from gristmill.registry.lineage import code_digests, git_of
from gristmill.registry.promotions import Promotion
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.retraining import default_source
from gristmill.retraining.lost_rows import check_lost_rows
from gristmill.runs.locations import locate
from gristmill.runs.records import Record, Runs
from gristmill.settings.base import Files, Settings
from gristmill.store.store import Store
from gristmill.training import progress
from gristmill.training.keras_backend import import_keras

if TYPE_CHECKING:
    import pandas as pd


logger = logging.getLogger(__name__)


class Serving:
    """The models of a project's pipelines, and which of them serve."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._store = catalogue.store
        self._runs = Runs(catalogue.store)
        self._registry = Registry(catalogue.store)

    def record(self, name: str, run: str | None = None) -> Record:
        """Return the record of a run, or of the last successful one of a pipeline's own settings.

        Raises:
            RequestError: there is none.
        """
        self._runs.pull(name)
        if run:
            return self._runs.read(name, run)
        pipeline = self._catalogue.pipeline(name)
        record, newest = self._runs.latest_own(pipeline), self._runs.latest(name, "succeeded")
        if record is None:
            raise _no_own_run(pipeline, newest)
        if newest and newest.id != record.id:
            other = _assigned(newest) or "no --set"
            logger.info("%s: using run %s; the newer run %s had %s", name, record.id, newest.id, other)
        return record

    def promote(self, name: str, number: int | None = None, run: str | None = None) -> Promotion:
        """Make a version the champion, or the model of a run, which becomes a version; by default that of `record`.

        Raises:
            RequestError: there is no such version, or no such run, or it made no model.
            CorruptArtifact: its bundle is damaged.
        """
        if number and run:
            raise RequestError(f"--run {run}: cannot be combined with version {number}. Use one of them.")
        self._registry.pull(name)
        if number is None:
            decision = {"verdict": "promoted", "why": "asked for"}
            number = register(self._catalogue.root, self._store, self.record(name, run), decision).number
        return self._registry.promote(name, number, "asked for")

    def rollback(self, name: str) -> Promotion:
        """Make the last sound version that served before the champion the champion.

        Raises:
            RequestError: there is no champion, or none served before it.
            CorruptArtifact: of those that served before it none can be used.
        """
        self._registry.pull(name)
        return self._registry.rollback(name, "rolled back")

    def damaged(self, name: str) -> dict[int, str]:
        """Return what is wrong with the bundles of versions, by number; files that rest as they were are not read."""
        found = {}
        for version in self._registry.versions(name):
            if self._registry.is_remote_only(version):
                continue
            try:
                self._registry.bundle(version, by_stat=True)
            except CorruptArtifact as damage:
                found[version.number] = str(damage)
        return found

    def predict(self, name: str, place: str | None, version: int | None, given: Mapping[str, Any]) -> "pd.DataFrame":
        """Predict, as `Project.predict` says."""
        served, export = self._served(name, version)
        if served.domain == "generation":
            raise RequestError(f"{name} is a generation pipeline, whose model writes. Run: gristmill generate {name}.")
        tables = config.restore_settings(
            served.domain, served.settings
        )  # those of its run: today's may ask for another column
        import_keras()
        progress.report_work("predict", logged=False)
        module = importlib.import_module(f"gristmill.domains.{served.domain}.predict")
        if unknown := sorted(given.keys() - inspect.signature(module.predict).parameters.keys()):
            raise RequestError(f"--{unknown[0]}: a {served.domain} pipeline does not take it. Leave it out.")
        if place and "text" in given:
            raise RequestError("--text: --input is given too. Leave one of them out.")
        suffixes, source = getattr(module, "SUFFIXES", None), tables["source"]
        if place and suffixes is None:
            from gristmill.project.prediction_source import reader_of

            source = reader_of(place, source, name, getattr(module, "PLAIN", False))
        read = {"source": source, "ingest": tables["ingest"], "export": export}
        with TemporaryDirectory() as folder:
            ask = partial(module.predict, **read, preprocess=tables["preprocess"], scratch=Path(folder), **given)
            if "text" in given:
                return cast("pd.DataFrame", ask(paths=()))
            if place:
                return cast("pd.DataFrame", ask(paths=self._asked_for(place, source, suffixes)))
            own = default_source.with_ingest_of(self._catalogue.pipeline(name), served, tables["ingest"])
            try:
                paths = default_source.source_files(self._catalogue, own, suffixes)
                if not hasattr(module, "read_source"):
                    return cast("pd.DataFrame", ask(paths=paths))
                module.read_source(**read, paths=paths, out=Path(folder))
                check_lost_rows(self._catalogue, own, Path(folder))
                data = Path(folder)
            except DataError as broken:
                data = default_source.last_good_data(self._store, own, served, broken)
            return cast("pd.DataFrame", ask(paths=(), ingested=data))

    def generate(self, name: str, prompt: str, version: int | None, options: Mapping[str, float]) -> Iterator[str]:
        """Yield a text, as `Project.generate` says."""
        domains_of = {known: pipeline.domain for known, pipeline in self._catalogue.pipelines.items()}
        if (domain := self._catalogue.pipeline(name).domain) != "generation":
            writers = ", ".join(known for known, its in domains_of.items() if its == "generation") or "none"
            raise RequestError(f"{name} is a {domain} pipeline, whose model writes no text. Known that do: {writers}.")
        _, export = self._served(name, version)
        import_keras()
        progress.report_work("model", "loading", logged=False)
        generate = importlib.import_module("gristmill.domains.generation.generate").generate
        pieces: Iterator[str] = generate(export=export, prompt=prompt, **options)
        return pieces

    def _served(self, name: str, number: int | None) -> tuple[Version | Record, Path]:
        """Return a version, else the champion, else the run of `record`, and the verified folder of its bundle."""
        self._catalogue.pipeline(name)
        self._registry.pull(name)
        if number is not None:
            version = self._registry.version(name, number)
            return version, self._registry.bundle(version)
        if champion := self._registry.champion(name, verified=True):
            return champion, self._registry.folder(champion)
        record = self.record(name)
        return record, self._store.open_verified(record.references["export"]).path

    def _asked_for(self, place: str, source: Settings, suffixes: tuple[str, ...] | None) -> tuple[Path, ...]:
        """Return the files at a place; `suffixes` are those of single items, where the source has others."""
        if suffixes is None and isinstance(source, Files):
            suffixes = source.suffixes
        try:
            return locate(
                place, Path.cwd(), "--input", self._store.root / "downloads", suffixes=suffixes or ("",)
            ).files
        except DataError as error:  # of a pipeline's data; of a place that is asked for it is the request that is wrong
            raise RequestError(str(error)) from None


def _no_own_run(pipeline: Pipeline, newest: Record | None) -> RequestError:
    """Return the error for a pipeline without a successful run of its own settings; `newest` is its newest one."""
    name, sets = pipeline.name, " ".join(f"--set {shlex.quote(assignment)}" for assignment in pipeline.overrides)
    run = f"gristmill run {name} {sets}".strip()
    if newest is None:
        return RequestError(f"pipeline {name!r} has no successful run yet. Run: {run}.")
    settings = f"with {sets}" if sets else "of its own settings"
    return RequestError(
        f"pipeline {name!r} has no successful run {settings} yet; the last run had {_assigned(newest) or 'no --set'}. "
        f"Run: {run}, or promote that run: gristmill promote {name} --run {newest.id}."
    )


def _assigned(record: Record) -> str:
    return " ".join(f"--set {assignment}" for assignment in record.assigned)


def register(project: Path, store: Store, record: Record, decision: dict[str, Any]) -> Version:
    """Make the bundle of a run a version, with its code and the project's commit.

    Args:
        project: the project's folder.
        store: where the run's artifacts are.
        record: of the run.
        decision: the verdict, why, and whatever else is worth keeping, as JSON values.

    Raises:
        RequestError: the run exported nothing.
        CorruptArtifact: an artifact of the run is damaged.
    """
    return Registry(store).register(record, code_digests(record, store), git_of(project), decision)
