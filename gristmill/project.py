"""A project opened from Python or by the command line: what can be done with its pipelines."""

import contextlib
import importlib
import inspect
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from gristmill import config, domains, extras, identity, plan, upkeep
from gristmill.backend import import_keras
from gristmill.closure import PACKAGE
from gristmill.config import Catalogue
from gristmill.errors import RequestError, WorkError
from gristmill.places import Located, locate, provide
from gristmill.plan import Step
from gristmill.report import write_report
from gristmill.runs import Record, Runs, StageRecord
from gristmill.settings import Files, Settings
from gristmill.store import Store

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

State = Literal["fresh", "stale", "never run", "no data"]


@dataclass(frozen=True)
class Status:
    """How a pipeline stands."""

    name: str
    domain: str
    description: str
    state: State
    headline: dict[str, Any] | None  # metric, model, baseline: of the last successful run


class Project:
    """A folder with a `pipelines.toml`."""

    def __init__(self, catalogue: Catalogue, overrides: Mapping[str, list[str]] | None = None) -> None:
        self.catalogue = catalogue
        self._overrides = dict(overrides or {})
        self.store = Store(catalogue.store)
        self.runs = Runs(catalogue.store)

    @classmethod
    def open(cls, root: Path | None = None, overrides: Mapping[str, list[str]] | None = None) -> "Project":
        """Open the project at `root`, or the one around the current folder.

        Args:
            root: the folder of `pipelines.toml`.
            overrides: pipeline name to assignments such as `train.epochs=5`.
        """
        return cls(config.load(root, overrides), overrides)

    def status(self) -> Iterator[Status]:
        """Yield how each pipeline stands, in the file's order."""
        for name, pipeline in self.catalogue.pipelines.items():
            last = self.runs.latest(name, "succeeded")
            steps = plan.plan(self.catalogue, pipeline)
            state: State = "fresh" if plan.is_fresh(steps) else "stale" if last else "never run"
            if any(step.state == "no data" for step in steps):
                state = "no data"
            yield Status(name, pipeline.domain, pipeline.description, state, self.headline(last))

    def plan(self, name: str, refresh: str | None = None) -> list[Step]:
        """Return what a run of a pipeline would do, stage by stage, and why."""
        pipeline = self.catalogue.pipeline(name)
        stages = dict.fromkeys(stage.name for stage in domains.stages_of(pipeline.domain, pipeline.tables))
        if refresh is not None and refresh not in stages:
            raise RequestError(f"--refresh {refresh}: no such stage. Known: {', '.join(stages)}.")
        return plan.plan(self.catalogue, pipeline, refresh)

    def run(self, name: str, refresh: str | None = None, steps: list[Step] | None = None) -> Record:
        """Bring a pipeline up to date and return the record of the run, or of the last one if nothing was to be done.

        Args:
            name: the pipeline.
            refresh: a stage to do again.
            steps: the plan, where it was made already.

        Raises:
            GristmillError: the work could not be done.
        """
        steps = self.plan(name, refresh) if steps is None else steps
        if plan.is_fresh(steps):
            return self._record_of_fresh(name, steps)
        provide(self.catalogue.pipeline(name).tables.values(), self.catalogue.root)
        self.data(name)  # what the last stage reads or writes with is missed before the first one runs
        extras.refuse_missing(self.catalogue.pipeline(name).tables.values())
        self.store.check_writable()
        overrides = self._overrides.get(name, [])  # the flow, which may run elsewhere, reads the file itself
        flow = _ready_flow(self.catalogue.pipeline(name).domain)
        from httpx import HTTPError

        try:
            done = flow(pipeline=name, overrides=overrides, refresh=refresh, project=str(self.catalogue.root))
        except HTTPError as error:
            url = os.environ.get("PREFECT_API_URL", "")
            raise WorkError(
                f"Prefect's API {url} was lost in mid-run ({error}). Run again: it goes on from here."
            ) from None
        return Record.model_validate(done)

    def record(self, name: str, run: str | None = None) -> Record:
        """Return the record of a run, or of the last successful one."""
        self.catalogue.pipeline(name)
        record = self.runs.read(name, run) if run else self.runs.latest(name, "succeeded")
        if record is None:
            raise RequestError(f"pipeline {name!r} has no successful run yet. Run: gristmill run {name}.")
        return record

    def scores(self, record: Record) -> dict[str, Any]:
        """Return the scores of a run beside its baselines'."""
        path = self.store.open(record.references["evaluate"]).path
        scores: dict[str, Any] = json.loads((path / "scores.json").read_text())
        return scores

    def report(self, record: Record) -> Path:
        """Render the report on a run and return its path."""
        return write_report(record, self.catalogue.pipeline(record.pipeline).description, self.store)

    def logs(self, record: Record) -> dict[str, Path]:
        """Return the folders of TensorBoard's logs of a run's trainings, by stage."""
        folders = {label: self.store.logs(record.pipeline, ref["key"]) for label, ref in record.references.items()}
        return {label: folder for label, folder in folders.items() if folder.is_dir()}

    def bundle(self, record: Record) -> Path:
        """Return the folder of a run's exported models."""
        return self.store.path("export", record.references["export"]["key"])

    def predict(self, name: str, place: str | None = None, **options: int | str | None) -> "pd.DataFrame":
        """Predict by the model of the last successful run.

        Args:
            name: the pipeline.
            place: a file, folder or pattern, data in the form of the pipeline's own source; that source if not given.
                Also a CSV, JSONL or Parquet file with its columns, where the source is of another kind.
            options: of time series: `steps`, how many values to forecast; `history`, how many values to show the model,
                where it takes any number. Of texts: `text`, one text itself, instead of a place.

        Raises:
            RequestError: a domain that writes, an option that it lacks, or a file that cannot stand for the source.
        """
        record = self.record(name)
        if record.domain == "generation":
            raise RequestError(f"{name} is a generation pipeline, whose model writes. Run: gristmill generate {name}.")
        tables = config.restore(record.domain, record.settings)  # those of the run: today's may ask for another column
        import_keras()
        module = importlib.import_module(f"gristmill.{record.domain}.predict")
        given = {option: value for option, value in options.items() if value is not None}
        if unknown := sorted(given.keys() - inspect.signature(module.predict).parameters.keys()):
            raise RequestError(f"--{unknown[0]}: a {record.domain} pipeline does not take it. Leave it out.")
        if place and "text" in given:
            raise RequestError("--text: --input is given too. Leave one of them out.")
        suffixes, source = getattr(module, "SUFFIXES", None), tables["source"]
        if place and suffixes is None:
            from gristmill.standins import reader_of

            source = reader_of(place, source, name, getattr(module, "PLAIN", False))
        paths = () if "text" in given else self._input(name, place, source, suffixes)
        export = self.store.open(record.references["export"]).path
        with TemporaryDirectory() as folder:
            frame: pd.DataFrame = module.predict(
                source=source,
                ingest=tables["ingest"],
                preprocess=tables["preprocess"],
                paths=paths,
                export=export,
                scratch=Path(folder),
                **given,
            )
        return frame

    def generate(self, name: str, prompt: str = "", **options: float) -> Iterator[str]:
        """Yield a prompt and what goes on from it, as the model of the last successful run writes it.

        Args:
            name: the pipeline.
            prompt: the text to go on from.
            options: `length`, `temperature`, `top_k`, `top_p`, `seed`, as `generation/generate.py` has them.
        """
        domains_of = {known: pipeline.domain for known, pipeline in self.catalogue.pipelines.items()}
        if (domain := self.catalogue.pipeline(name).domain) != "generation":
            writers = ", ".join(known for known, its in domains_of.items() if its == "generation") or "none"
            raise RequestError(f"{name} is a {domain} pipeline, whose model writes no text. Known that do: {writers}.")
        export = self.store.open(self.record(name).references["export"]).path
        logger.info("loading the model, which takes some seconds")
        import_keras()
        generate = importlib.import_module("gristmill.generation.generate").generate
        pieces: Iterator[str] = generate(export=export, prompt=prompt, **options)
        return pieces

    def _input(
        self, name: str, place: str | None, source: Settings, suffixes: tuple[str, ...] | None
    ) -> tuple[Path, ...]:
        """Return the files to predict from; `suffixes` are those of single items, where the source has others."""
        if place is None:
            own = [found for at, found in self.data(name).items() if at.startswith("source.")]
            from gristmill.downloads import fetch

            fetch(own, self.store)
            files = tuple(file for found in own for file in found.files)
            if suffixes and not all(file.name.lower().endswith(suffixes) for file in files):
                raise RequestError(
                    f"[pipelines.{name}.source] is not made of single files to predict from. Give --input FILE|FOLDER."
                )
            return files
        if suffixes is None and isinstance(source, Files):
            suffixes = source.suffixes
        return locate(place, Path.cwd(), "--input", self.store.root / "downloads", suffixes=suffixes or ("",)).files

    def verify(self, repair: bool = False) -> list[upkeep.Verdict]:
        """Hash everything in the store; with `repair` move what is damaged aside: the next run makes it again."""
        verdicts = list(upkeep.verify_store(self.store))
        if repair:
            for verdict in verdicts:
                if verdict.damage:
                    self.store.quarantine(verdict.path)
        return verdicts

    def collect(self, dry_run: bool = False) -> list[upkeep.Garbage]:
        """Remove what no recent run refers to and return what it was; with `dry_run` only return it."""
        found = list(upkeep.garbage(self.store, self.catalogue.keep_runs))
        if not dry_run:
            upkeep.remove(found)
        return found

    def data(self, name: str) -> dict[str, Located]:
        """Return where the data of a pipeline lies.

        Raises:
            DataError: it is not there.
        """
        pipeline = self.catalogue.pipeline(name)
        found = (
            plan.located(self.catalogue, pipeline, stage)
            for stage in domains.stages_of(pipeline.domain, pipeline.tables)
        )
        return {place: path for by_place in found for place, path in by_place.items()}

    def _record_of_fresh(self, name: str, steps: list[Step]) -> Record:
        """Return the last record if it tells of these artifacts; else write one that does (settings went back)."""
        references = {step.stage: step.artifact.reference for step in steps if step.artifact}
        last = self.runs.latest(name)
        if last and last.outcome == "succeeded" and last.references == references:
            return last
        pipeline = self.catalogue.pipeline(name)
        versions = identity.versions(domains.libraries_of(pipeline.domain))
        run = self.runs.start(pipeline, self._overrides.get(name, []), versions)
        for stage, reference in references.items():
            self.runs.note(name, run.id, stage, StageRecord(reference=reference, cached=True, seconds=0.0))
        return self.runs.finish(name, run.id, "succeeded")

    def headline(self, record: Record | None) -> dict[str, Any] | None:
        """Return a run's headline score without verifying it: `ls` shows it, nothing is computed from it."""
        if record is None or "evaluate" not in record.references:
            return None
        path = self.store.path("evaluate", record.references["evaluate"]["key"]) / "scores.json"
        with contextlib.suppress(OSError, ValueError):  # collected or damaged: `verify` tells, `ls` need not
            return dict(json.loads(path.read_text())["headline"])
        return None


def _ready_flow(domain: str) -> Any:
    """Return a domain's flow, with TensorFlow imported while Prefect's temporary server starts."""
    from gristmill.server import ensure_api  # late, with what it needs to start a server

    flow = getattr(_import_own(f"flows.{domain}"), domain)
    ensure_api(show_log=os.environ.get("PREFECT_LOGGING_LEVEL") != "CRITICAL", meanwhile=import_keras)
    return flow


def _import_own(module: str) -> ModuleType:
    """Import one of our modules, even where the user's folder has packages of the same names."""
    root = str(PACKAGE.parent)
    sys.path.insert(0, root)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise WorkError(
            f"another package named {module.partition('.')[0]!r} is loaded in this process already."
        ) from None
    finally:
        sys.path.remove(root)
