"""Models that serve a pipeline: the champion, a chosen version or, before the first promotion, the last run's model.

The last run is that of the pipeline's own settings: a run with `--set` serves only if it is promoted by its ID.
"""

import logging
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.config.catalogue import Catalogue, Pipeline, restore_settings
from gristmill.config.domains import domain_of
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.registry.promotions import Promotion
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version, code_digests, git_of
from gristmill.runs.records import Record, Runs, headline
from gristmill.runs.retraining_record import same_settings
from gristmill.store.store import Store
from gristmill.training import progress

if TYPE_CHECKING:
    import pandas as pd


logger = logging.getLogger(__name__)

_MODEL_TABLES = ("ingest", "preprocess", "augment", "model", "train", "select")


class Models:
    """The models of a project's pipelines."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.store = catalogue.store
        self.runs = Runs(catalogue.store)
        self.registry = Registry(catalogue.store)

    def record(self, name: str, run: str | None = None) -> Record:
        """Return the record of a run, or of the last successful one of the pipeline's own settings."""
        pipeline = self.catalogue.pipeline(name)
        self.runs.pull(name)
        if run:
            return self.runs.read(name, run)
        record = self.runs.latest_own(pipeline)
        newest = self.runs.latest(name, "succeeded")
        if record is None:
            raise _no_own_run(pipeline, newest)
        if newest and newest.id != record.id:
            used = _assignments(newest.assigned) or "no --set"
            logger.info("%s: using run %s; the newer run %s had %s", name, record.id, newest.id, used)
        return record

    def models(self, name: str) -> tuple[list[Version], list[Promotion]]:
        """Return the versions of a pipeline's model and its promotions, both newest first."""
        self._pull(name)
        return list(self.registry.versions(name)), list(self.registry.promotions(name))

    def version(self, name: str, number: int) -> Version:
        """Return one version of a pipeline's model."""
        self._pull(name)
        return self.registry.version(name, number)

    def champion(self, name: str) -> int | None:
        """Return the number of the version that serves, without verifying its bundle."""
        try:
            version = self.registry.champion(name)
        except CorruptArtifact as damage:
            logger.warning("%s", damage)
            return None
        return version.number if version else None

    def hold(self, name: str) -> Promotion | None:
        """Return the promotion that keeps retrainings from replacing the champion, if there is one."""
        self._pull(name)
        return self.registry.hold(name)

    def damaged(self, name: str) -> dict[int, str]:
        """Return why bundles of versions cannot be used, by number; files that were not touched are not read again."""
        damages = {}
        for version in self.registry.versions(name):
            if self.registry.is_remote_only(version):
                continue
            try:
                self.registry.bundle(version, by_stat=True)
            except CorruptArtifact as damage:
                damages[version.number] = str(damage)
        return damages

    def folder_of(self, version: Version) -> Path | None:
        """Return the folder of a version's bundle; None if only the shared store has it."""
        return None if self.registry.is_remote_only(version) else self.registry.folder(version)

    def versions_of(self, record: Record) -> list[Version]:
        """Return the versions that serve a run's model with its settings, newest first.

        There are several if a version file was damaged, or own code changed without an effect on the data.
        """
        self.registry.pull(record.pipeline)
        return [known for known in self.registry.versions(record.pipeline) if known.serves_like(record)]

    def promote(
        self, name: str, version: int | None = None, run: str | None = None, *, hold: bool = False
    ) -> Promotion:
        """Make a version the champion, or the model of a run, which becomes a version.

        By default the run is the last successful one of the pipeline's own settings. With `hold`, no retraining
        replaces the version until this or another version is promoted without `hold`; its default is the champion, if
        there is one.
        """
        if version and run:
            raise RequestError(f"--run {run}: cannot be combined with version {version}. Use one of them.")
        self._pull(name)
        if hold and version is None and run is None:
            champion = self.registry.champion(name)
            version = champion.number if champion else None
        if version is None:
            record = self.record(name, run)
            if run is None and record.id in self.registry.withdrawn(name):
                raise RequestError(
                    f"{name}: the last run, {record.id}, used data that a rollback has withdrawn. Choose a version: "
                    f"gristmill models {name}, then: gristmill promote {name} VERSION."
                )
            decision = {"verdict": "promoted", "why": "asked for"}
            version = register(self.catalogue.root, self.store, record, decision).number
        return self.registry.promote(name, version, "asked for", hold=hold, check=check_serves)

    def rollback(self, name: str) -> Promotion:
        """Promote the last version that served before the champion, is not damaged and can still serve."""
        self._pull(name)
        return self.registry.rollback(name, "rolled back", check_serves)

    def predict(
        self,
        name: str,
        place: str | None = None,
        version: int | None = None,
        *,
        text: str | None = None,
        **options: int | None,
    ) -> "pd.DataFrame":
        """Predict with the champion; without one, with the last successful run of the pipeline's own settings.

        Args:
            name: the pipeline.
            place: a file, folder or pattern with data like the pipeline's source, or a CSV, JSONL or Parquet file with
                its columns; default: the source itself.
            version: number of a version to use instead of the champion.
            text: one text to classify, instead of a place.
            options: for time series `steps`, the number of values to forecast, and `history`, the number of values to
                pass to a model that accepts any number; for tables and photos `explain`, whether to add what each
                column contributes to a prediction, or where in a photo most speaks for it.
        """
        if place and text is not None:
            raise RequestError("--text: cannot be combined with --input. Use one of them.")
        served, export = self.served(name, version)
        if domain_of(served.domain).prediction is None:
            raise RequestError(
                f"{name} is a {served.domain} pipeline, whose model generates text. Run: gristmill generate {name}."
            )
        from gristmill.export.loaded_bundle import LoadedBundle
        from gristmill.project.predictor import Predictor  # late: pandas takes a while to load

        progress.report_work("predict", logged=False)
        set_options = {option: value for option, value in options.items() if value not in (None, False)}
        answer = Predictor(self.catalogue, served, LoadedBundle(export)).predict(place, set_options, text=text)

        # Name the model and what it consists of: `co2 v3 (champion): 44% ridge + 56% theta`.
        if isinstance(served, Version):
            origin = f"v{served.number}{' (champion)' * (served.number == self.champion(name))}"
            selected, kind = served.evaluated.summary.selected, served.trained_with["model"]["kind"]
        else:
            origin = f"run {served.id} (no version is promoted)"
            summary = headline(served, self.store)
            selected, kind = summary.selected if summary else None, served.settings["model"]["kind"]
        answer.attrs["model"] = f"{name} {origin}: {selected or kind}"
        logger.info("%-10s %s", "model", answer.attrs["model"])
        return answer

    def generate(self, name: str, prompt: str = "", version: int | None = None, **options: float) -> Iterator[str]:
        """Yield a prompt and its continuation, generated by the model that `predict` would use.

        `options` are `length`, `temperature`, `top_k`, `top_p` and `seed`, as in `domains/generation/settings.py`.
        """
        domain = domain_of(self.catalogue.pipeline(name).domain)
        if domain.generate is None:
            pipelines = self.catalogue.pipelines.values()
            known = [pipeline.name for pipeline in pipelines if domain_of(pipeline.domain).generate is not None]
            raise RequestError(
                f"{name} is a {domain.name} pipeline, whose model generates no text. "
                f"Pipelines that do: {', '.join(known) or 'none'}."
            )
        _, export = self.served(name, version)
        from gristmill.export.loaded_bundle import LoadedBundle
        from gristmill.project.predictor import read_options

        progress.report_work("model", "loading", logged=False)
        return domain.generate.load()(LoadedBundle(export), read_options(domain, {"prompt": prompt, **options}))

    def export(self, name: str, to: str | Path, version: int | None = None) -> Path:
        """Copy the SavedModel of the champion, or of a version, to the folder `to/<number>`, and return that folder.

        This is the form that TensorFlow Serving watches. A folder that already holds this model is not changed.
        """
        from gristmill.registry.numbered_folder import copy_saved_model

        self._pull(name)
        exported = self.registry.champion(name) if version is None else self.registry.version(name, version)
        if exported is None:
            raise RequestError(
                f"pipeline {name!r} has no champion, whose number the folder gets. Run: gristmill promote {name}."
            )
        return copy_saved_model(self.registry, exported, Path(to))

    def _pull(self, name: str) -> None:
        self.catalogue.pipeline(name)  # an unknown name is an error
        self.registry.pull(name)

    def served(self, name: str, number: int | None = None) -> tuple[Version | Record, Path]:
        """Return a version, else the champion, else the last own run, and the verified folder of its bundle."""
        self._pull(name)
        if number is not None:
            version = self.registry.version(name, number)
            return version, self.registry.bundle(version)
        if champion := self.registry.champion(name, verified=True):
            return champion, self.registry.folder(champion)
        record = self.record(name)
        now, overrides = self.catalogue.pipeline(name).values(), record.retraining.asked if record.retraining else []
        changed = []  # tables of settings that would make another model; new settings do not count
        for table in _MODEL_TABLES:
            used = record.settings.get(table, {})
            today = {key: now.get(table, {}).get(key) for key in used}
            if not same_settings({table: used}, {table: today}, overrides):
                changed.append(table)
        if changed:
            logger.warning(
                "%s: the settings of %s have changed since run %s, whose model is used as it is. "
                "To make a new one, run: gristmill run %s.",
                *(name, ", ".join(changed), record.id, name),
            )
        return record, self.store.open_verified(record.references["export"]).path


def check_serves(version: Version, bundle: Path) -> None:
    """Check that this release reads the settings of a version, loads its model and gets an answer from it.

    Raises:
        CorruptArtifact: the version cannot serve.
        RequestError: this machine lacks an extra that the model needs; elsewhere the version may serve.
        WorkError: this machine lacks memory.
    """
    from gristmill.export.loaded_bundle import LoadedBundle

    name = f"v{version.number} of {version.pipeline}"
    try:
        restore_settings(version.domain, version.settings)
    except RequestError as error:
        raise CorruptArtifact(f"{name} cannot serve: {error}") from None
    try:
        LoadedBundle(bundle).load()
    except CorruptArtifact as error:
        raise CorruptArtifact(f"{name} cannot serve: {error}") from None
    except RequestError as error:
        raise RequestError(f"{name} cannot serve here: {error}") from None


def register(project: Path, store: Store, record: Record, decision: Mapping[str, Any]) -> Version:
    """Make the bundle of a run a version, with its code and the commit of the project's folder.

    `decision` holds the verdict, the reason, and other JSON values to keep.
    """
    return Registry(store).register(record, code_digests(record, store), git_of(project), dict(decision))


def _no_own_run(pipeline: Pipeline, newest: Record | None) -> RequestError:
    """Return the error about a pipeline without a successful run of its own settings; `newest` had others."""
    name, sets = pipeline.name, _assignments(map(shlex.quote, pipeline.overrides))
    command = " ".join(filter(None, ["gristmill run", name, sets]))
    if newest is None:
        return RequestError(f"pipeline {name!r} has no successful run yet. Run: {command}.")
    settings, used = f"with {sets}" if sets else "of its own settings", _assignments(newest.assigned) or "no --set"
    return RequestError(
        f"pipeline {name!r} has no successful run {settings} yet; the last run had {used}. "
        f"Run: {command}, or promote that run: gristmill promote {name} --run {newest.id}."
    )


def _assignments(settings: Iterable[str]) -> str:
    return " ".join(f"--set {setting}" for setting in settings)
