"""Runs with nothing to do: their records are written from the store alone, before Prefect or TensorFlow is loaded."""

from gristmill import keys
from gristmill.config import stages
from gristmill.config.catalogue import Catalogue
from gristmill.registry.registry import Registry
from gristmill.retraining.last_judged import last_judged_data
from gristmill.retraining.lost_rows import check_lost_rows
from gristmill.runs import plan
from gristmill.runs.plan import Step
from gristmill.runs.records import Record, Runs, StageRecord
from gristmill.runs.retraining_record import Retraining
from gristmill.store.artifact import Reference


def record_of_fresh(catalogue: Catalogue, name: str, overrides: list[str], steps: list[Step]) -> Record:
    """Return the last record if it has these artifacts and overrides; otherwise write one (settings were reverted)."""
    references = {step.stage: step.artifact.reference for step in steps if step.artifact}
    runs = Runs(catalogue.store)
    last = runs.latest(name)
    if catalogue.store.remote and not _tells(last, references, overrides):
        runs.pull(name)  # what all this was made by may have been another machine
        last = runs.latest(name)
    if last and _tells(last, references, overrides):
        return last
    check_lost_rows(catalogue, catalogue.pipeline(name), references["ingest"])  # data went back too
    run = _start(catalogue, name, overrides)
    for stage, reference in references.items():
        runs.note(name, run.id, stage, StageRecord(reference=reference, cached=True, seconds=0.0))
    return runs.finish(name, run.id, "succeeded")


def record_of_no_news(catalogue: Catalogue, name: str, overrides: list[str]) -> Record | None:
    """Write the record of a retraining whose data brings nothing new and return it; None where it may bring some."""
    pipeline = catalogue.pipeline(name)
    runs, registry = Runs(catalogue.store), Registry(catalogue.store)
    runs.pull(name)
    registry.pull(name)
    champion = registry.champion(name, verified=True)
    known = last_judged_data(pipeline, runs, registry, champion)
    ingest, *_ = plan.plan(catalogue, pipeline)
    if known is None or ingest.artifact is None or ingest.artifact.reference["digest"] != known.ingest["digest"]:
        return None
    check_lost_rows(catalogue, pipeline, known.ingest)
    found = Retraining(champion=champion.number if champion else None, news=known.news, unjudged=0)
    run = _start(catalogue, name, overrides)
    runs.note(name, run.id, "ingest", StageRecord(reference=known.ingest, cached=True, seconds=0.0))
    runs.note_retraining(name, run.id, found.ended("nothing new", "no row that was not judged already"))
    return runs.finish(name, run.id, "succeeded")


def _tells(last: Record | None, references: dict[str, Reference], overrides: list[str]) -> bool:
    """Whether a record describes this run; other overrides do not match, even if the settings are equal."""
    return (
        last is not None
        and last.outcome == "succeeded"
        and last.references == references
        and last.assigned == overrides
    )


def _start(catalogue: Catalogue, name: str, overrides: list[str]) -> Record:
    pipeline = catalogue.pipeline(name)
    versions = keys.library_versions(stages.libraries_of(pipeline.domain))
    return Runs(catalogue.store).start(pipeline, overrides, versions)
