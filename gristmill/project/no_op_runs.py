"""Records of runs that start no stage, written from the store alone: neither Prefect nor TensorFlow is loaded."""

from gristmill import keys
from gristmill.config import stages
from gristmill.config.catalogue import Catalogue
from gristmill.registry.registry import Registry
from gristmill.retraining.arrivals import check_arrival, check_rules, silent_since
from gristmill.retraining.known_data import last_judged_data
from gristmill.runs import plan
from gristmill.runs.plan import Step
from gristmill.runs.records import Record, Runs, StageRecord
from gristmill.runs.retraining_record import Retraining
from gristmill.sources.quarantine import QUARANTINED


def record_of_fresh(catalogue: Catalogue, name: str, steps: list[Step], accept: bool = False) -> Record:
    """Return the last record if it has these artifacts and overrides, else a new one (settings were reverted)."""
    references = {step.stage: step.artifact.reference for step in steps if step.artifact}
    runs, registry = Runs(catalogue.store), Registry(catalogue.store)
    overrides = list(catalogue.pipeline(name).overrides)
    for pulled in (False, True):
        if pulled:
            runs.pull(name)  # another machine may have made the artifacts
            registry.pull(name)
        last = runs.latest(name)
        if last is None or last.id in registry.withdrawn(name):
            continue
        if (last.outcome, last.references, last.assigned) == ("succeeded", references, overrides):
            return last
    pipeline = catalogue.pipeline(name)
    check_rules(catalogue, pipeline, references["ingest"])
    broken = check_arrival(catalogue, pipeline, references["ingest"], accept)  # the data may be an older version too
    run = _start(catalogue, name)
    for stage, reference in references.items():
        runs.note(name, run.id, stage, StageRecord(reference=reference, cached=True, seconds=0.0))
    return runs.finish(name, run.id, "succeeded", accepted=broken)


def record_without_new_rows(catalogue: Catalogue, name: str, accept: bool = False) -> Record | None:
    """Return a new record of a retraining without new data; None if the data may be new."""
    pipeline = catalogue.pipeline(name)
    runs, registry = Runs(catalogue.store), Registry(catalogue.store)
    runs.pull(name)
    registry.pull(name)
    champion = registry.champion(name, verified=True)
    known = last_judged_data(pipeline, runs, registry, champion)
    ingest, *_ = plan.plan(catalogue, pipeline)
    if known is None or ingest.artifact is None or ingest.artifact.reference["digest"] != known.ingest["digest"]:
        return None
    check_rules(catalogue, pipeline, known.ingest)
    broken = check_arrival(catalogue, pipeline, known.ingest, accept)  # the data may be an older version too
    silent = silent_since(catalogue, pipeline, known.ingest)
    number = champion.number if champion else None
    aside = ingest.artifact.counts.get(QUARANTINED, 0)
    retraining = Retraining(champion=number, news=known.news, unjudged=0, silent_since=silent, quarantined=aside)
    run = _start(catalogue, name)
    runs.note(name, run.id, "ingest", StageRecord(reference=known.ingest, cached=True, seconds=0.0))
    runs.update(name, run.id, retraining=retraining.ended("nothing new", "all rows were judged before"))
    return runs.finish(name, run.id, "succeeded", accepted=broken)


def record_of_failure(catalogue: Catalogue, name: str, error: Exception) -> Record:
    """Return a new record of a run that could not start."""
    run = _start(catalogue, name)
    return Runs(catalogue.store).fail(name, run.id, error)


def _start(catalogue: Catalogue, name: str) -> Record:
    pipeline = catalogue.pipeline(name)
    versions = keys.library_versions(stages.libraries_of(pipeline.domain))
    return Runs(catalogue.store).start(pipeline, list(pipeline.overrides), versions)
