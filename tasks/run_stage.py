"""Run one stage: look it up in the store, and only on a cache miss call the core and publish the result."""

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from prefect.states import Completed

from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.errors import CorruptArtifact, SourceChanged, WorkError, count_of
from gristmill.keys import Identity
from gristmill.runs.identity import StageInputs, identity_of, locate_inputs, resolve_inputs
from gristmill.runs.locations import fetch_missing
from gristmill.runs.plan import FAILED
from gristmill.runs.records import StageRecord
from gristmill.settings.stage import Stage
from gristmill.sources.quarantine import QUARANTINE_FILE, QUARANTINED
from gristmill.store.artifact import Artifact, Reference
from gristmill.store.code_closure import check_loaded
from gristmill.tasks.core import call_core, core_arguments, input_folders
from gristmill.tasks.run import References, Run
from gristmill.training import progress
from gristmill.training.deadline import check_deadlines
from gristmill.util.files import ChangeDetector
from gristmill.workers.chunks import StageChunk, make_with_workers

logger = logging.getLogger(__name__)


def produce(
    run: Run, label: str, inputs: References, on_new: Callable[[Run, Artifact], None] | None = None, **extras: Any
) -> Reference:
    """Return the reference of a stage's artifact; on a cache hit, return a Cached state.

    Args:
        run: the run it belongs to.
        label: the stage, or one of its points.
        inputs: artifacts it reads; those of candidates that were not tried are missing.
        on_new: called with the artifact on a cache miss.
        extras: further arguments of the core function.
    """
    started = time.perf_counter()
    artifact, cached = make(run, label, inputs, **extras)
    record_stage(run, label, artifact, cached, seconds=time.perf_counter() - started)
    if cached:  # Prefect shows the state; the flow gets its data
        return cast(Reference, Completed(name="Cached", message=f"{label} is fresh", data=artifact.reference))
    if on_new:
        on_new(run, artifact)
    return artifact.reference


def make(
    run: Run, label: str, inputs: References, requested: StageChunk | None = None, **extras: Any
) -> tuple[Artifact, bool]:
    """Return the artifact of a stage, or of the chunk requested by another process, and whether it was a cache hit.

    The run's record is not changed. `DeadlinePassed` is raised if a candidate takes too long. For the other arguments
    see `produce`.
    """
    chunk = requested.chunk if requested else None
    stage, store = run.stages[label], run.store
    stage = stage if chunk is None else stage.chunk(chunk)
    stage = replace(stage, inputs=tuple(name for name in stage.inputs if name in inputs))
    reads = read_inputs(run, stage, inputs)
    identity = reads.identity
    files = [file for found in reads.data.values() if not found.url for file in found.files if chunk is None]
    changes = ChangeDetector([*files, *reads.imported.files])
    if requested and requested.key != identity.key:
        raise WorkError(f"{PIPELINES_FILE}, the data or the code have changed since the run started. Run again.")
    if artifact := find_cached(run, stage, identity):
        return artifact, True
    check_deadlines()
    if requested is None:
        progress.report_work(label)
    with store.lock(identity.key):
        if artifact := find_cached(run, stage, identity):  # made by another run meanwhile
            return artifact, True
        if refresh := run.refresh == stage.name:
            shutil.rmtree(store.scratch(identity.key), ignore_errors=True)
        folders = input_folders(run, stage, inputs, by_stat=chunk is not None)  # the requesting run has hashed them
        arguments = core_arguments(run, stage, reads.data, identity.key) | extras
        check_loaded(reads.imported.files)
        with store.draft(identity) as draft:
            make_chunks = partial(_make_chunks, run, label, inputs) if run.uses_workers(stage) else None
            with run.deadline_of(stage).enforce(label):
                call_core(stage, draft, identity, arguments, folders, make_chunks)
            changes.check()
            if chunk is None and locate_inputs(run.catalogue, run.pipeline, stage) != reads.data:
                raise SourceChanged(f"{', '.join(reads.data)}: files were added or removed meanwhile. Run again.")
            artifact = store.publish(draft, identity, replace=refresh)
        shutil.rmtree(store.scratch(identity.key), ignore_errors=True)
    return artifact, False


def read_inputs(run: Run, stage: Stage, inputs: References) -> StageInputs:
    """Return everything that a stage reads now; data that is missing is fetched."""
    fetch_missing(stage.settings.values(), run.catalogue.root)
    return resolve_inputs(run.catalogue, run.pipeline, stage, {name: inputs[name]["digest"] for name in stage.inputs})


def find_cached(run: Run, stage: Stage, identity: Identity) -> Artifact | None:
    """Return the artifact of an identity; None if there is none, or if the stage is to run again."""
    if run.refresh == stage.name:
        return None
    try:
        return run.store.get_remote_aware(identity.stage, identity.key, anew=True)
    except CorruptArtifact as error:
        logger.warning("%s It is made again.", error)
        return None


def _make_chunks(run: Run, label: str, inputs: References, count: int) -> list[Path]:
    """Let workers make the missing chunks of a stage, and return the verified folders of all chunks."""
    stage, store = run.stages[label], run.store
    references = {name: inputs[name] for name in stage.inputs}
    reads = read_inputs(run, stage.chunk(0), references)
    identities = [
        identity_of(stage.chunk(number), reads.digests, run.catalogue.code, reads.imported) for number in range(count)
    ]
    found = [find_cached(run, stage, identity) for identity in identities]
    missing = [number for number, artifact in enumerate(found) if artifact is None]
    if missing:
        chunks = [StageChunk(label, identities[number].key, number) for number in missing]
        for at, result in make_with_workers(run.catalogue, run.jobs, run.chunk_parameters(references), chunks):
            found[missing[at]] = result.artifact
    return [store.open_verified(cast(Artifact, artifact).reference).path for artifact in found]


def record_stage(run: Run, label: str, artifact: Artifact, cached: bool, seconds: float) -> None:
    """Add a stage to the run's record, and log it."""
    record = StageRecord(reference=artifact.reference, cached=cached, seconds=round(seconds, 3))
    run.runs.note(run.pipeline.name, run.id, label, record)
    counts = ", ".join(count_of(count, name.replace("_", " ")) for name, count in artifact.counts.items())
    counts = "left out" if FAILED in artifact.counts else counts
    ended = "fresh" if cached else f"done in {seconds:.1f} s"
    logger.info("%-10s %s%s", label, ended, f" ({counts})" if counts else "")
    if QUARANTINED in artifact.counts:
        file, count = artifact.path / QUARANTINE_FILE, artifact.counts[QUARANTINED]
        logger.warning("%s set aside, listed in %s", count_of(count, "unusable rows"), file)
