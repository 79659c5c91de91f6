"""Run one stage: look it up in the store, and only on a cache miss call the core and publish the result."""

import logging
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.domains.common.candidates import CandidateArtifacts, write_candidate
from gristmill.errors import (
    CorruptArtifact,
    DataError,
    Diverged,
    RequestError,
    SourceChanged,
    Unsuitable,
    WorkError,
    count_of,
)
from gristmill.execution.chunks import StageChunk, make_with_workers
from gristmill.execution.run import References, Run
from gristmill.keys import Identity
from gristmill.runs.identity import StageInputs, fetch_urls, identity_of, locate_inputs, resolve_inputs
from gristmill.runs.locations import Located, fetch_missing
from gristmill.runs.plan import FAILED
from gristmill.runs.records import StageRecord
from gristmill.settings.stage import SELECT, Stage
from gristmill.sources.quarantine import QUARANTINE_FILE, QUARANTINED
from gristmill.store.artifact import Artifact
from gristmill.store.code_closure import check_loaded, load_closure
from gristmill.store.store import Draft
from gristmill.training import progress
from gristmill.training.deadline import check_deadlines
from gristmill.training.keras_backend import import_keras
from gristmill.util.files import ChangeDetector

logger = logging.getLogger(__name__)


def make(
    run: Run, label: str, inputs: References, requested: StageChunk | None = None, **extras: Any
) -> tuple[Artifact, bool]:
    """Return the artifact of a stage, or of the chunk requested by another process, and whether it was a cache hit.

    The run's record is not changed. `DeadlinePassed` is raised if a candidate takes too long.

    Args:
        run: the run it belongs to.
        label: the stage, or one of its points.
        inputs: artifacts it reads; those of candidates that were not trained are missing.
        requested: what another process requested, if that is why it is made here.
        extras: further arguments of the core function.
    """
    chunk = requested.chunk if requested else None
    stage, store = run.stages[label], run.store
    stage = stage if chunk is None else stage.chunk(chunk)
    stage = replace(stage, inputs=tuple(name for name in stage.inputs if name in inputs))
    # 1. Compute the key from everything that the stage reads.
    reads = read_inputs(run, stage, inputs)
    identity = reads.identity
    if requested and requested.key != identity.key:
        raise WorkError(f"{PIPELINES_FILE}, the data or the code have changed since the run started. Run again.")
    own_files = [file for place in reads.data.values() if not place.url for file in place.files if chunk is None]
    changes = ChangeDetector([*own_files, *reads.imported.files])
    # 2. Look it up in the store, and again once no other run makes it.
    if artifact := find_cached(run, stage, identity):
        return artifact, True
    check_deadlines()
    if requested is None:
        progress.report_work(label)
    with store.lock(identity.key):
        if artifact := find_cached(run, stage, identity):
            return artifact, True
        # 3. Call the core with verified inputs.
        is_refreshed = run.refresh == stage.name
        if is_refreshed:
            shutil.rmtree(store.scratch(identity.key), ignore_errors=True)
        folders = input_folders(run, stage, inputs, by_stat=chunk is not None)  # the requesting run has hashed them
        arguments = core_arguments(run, stage, reads.data, identity.key) | extras
        check_loaded(reads.imported.files)
        make_chunks = partial(_make_chunks, run, label, inputs) if run.uses_workers(stage) else None
        with store.draft(identity) as draft:
            with run.deadline_of(stage).enforce(label):
                call_core(stage, draft, identity, arguments, folders, make_chunks)
            # 4. Publish the result, unless the inputs have changed meanwhile.
            changes.check()
            if chunk is None and locate_inputs(run.catalogue, run.pipeline, stage) != reads.data:
                raise SourceChanged(f"{', '.join(reads.data)}: files were added or removed meanwhile. Run again.")
            artifact = store.publish(draft, identity, replace=is_refreshed)
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
    code, imported = run.catalogue.code, reads.imported
    identities = [identity_of(stage.chunk(number), reads.digests, code, imported) for number in range(count)]
    artifacts = [find_cached(run, stage, identity) for identity in identities]
    missing = [
        StageChunk(label, identities[number].key, number) for number in range(count) if artifacts[number] is None
    ]
    if missing:
        for chunk, artifact, *_ in make_with_workers(run, references, missing):
            artifacts[cast(int, chunk.chunk)] = artifact
    return [store.open_verified(cast(Artifact, artifact).reference).path for artifact in artifacts]


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


def core_arguments(run: Run, stage: Stage, data: Mapping[str, Located], key: str) -> dict[str, Any]:
    """Return the core's arguments: settings, point, data files, and folders of a resumable stage."""
    store = run.store
    fetch_urls(data.values(), store)
    files: dict[str, Any] = {}
    for place, located in data.items():
        candidate, _, table = place.rpartition(".")[0].rpartition(".")
        if candidate:  # code of the user in one of several candidates
            files.setdefault("candidate_files", {})[candidate] = located.files
        else:
            argument = {"source": "paths", "preprocess": "files", "model": "files"}[table]
            files[argument] = (*files.get(argument, ()), *located.files)
    kept = {"scratch": store.scratch(key), "logs": store.logs(run.pipeline.name, key)} if stage.resumable else {}
    return {name: stage.settings[name] for name in stage.tables} | files | kept | dict(stage.point)


def input_folders(run: Run, reader: Stage, inputs: References, by_stat: bool) -> dict[str, Any]:
    """Return the verified folders of the input artifacts by argument.

    It is a list for a stage that fans out. A stage that compares candidates gets a dictionary of them by name,
    `candidates`; the selected model is passed as `train`, like a model without candidates.
    """
    folders: dict[str, Any] = {}
    candidates: dict[str, CandidateArtifacts] = {}
    for label in reader.inputs:
        path = run.store.open_verified(inputs[label], by_stat).path
        source = run.stages.get(label)
        name = source.name if source else label
        if source and source.candidate and not reader.candidate:
            artifacts = candidates.setdefault(source.candidate, CandidateArtifacts(path))
            if name != "train":
                candidates[source.candidate] = replace(artifacts, backtest=(*artifacts.backtest, path))
        elif source and source.axes:
            folders[name] = [*folders.get(name, []), path]
        else:
            folders[reader.argument("train" if name == SELECT else name)] = path
    return folders | ({"candidates": candidates} if candidates else {})


def call_core(
    stage: Stage,
    draft: Draft,
    identity: Identity,
    arguments: dict[str, Any],
    folders: dict[str, Any],
    make_chunks: Callable[[int], list[Path]] | None,
) -> None:
    """Fill the draft with the stage's core function and measure it; workers make chunks first if there are any.

    `folders` are those of the input artifacts, and `arguments` all other arguments of the function.
    """
    if "tensorflow" in stage.libraries:
        import_keras()
    load_closure(identity.parts["code"])
    core = stage.load()
    started = time.perf_counter()
    if make_chunks:
        count = stage.load_chunks()(**arguments, **folders)
        folders = folders | ({"chunks": make_chunks(count)} if count > 1 else {})
    arguments = arguments | folders
    measured: dict[str, float] = {}
    if "candidates" in arguments and stage.name == "evaluate":
        arguments = arguments | {"microseconds": measured}
    if stage.candidate and not stage.is_chunk:  # an error in a chunk is that of the stage that asked for it
        draft.counts = _fit_candidate(core, stage, arguments, draft.path)
    else:
        draft.counts = core(**arguments, out=draft.path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))
    draft.measures = {**measured, "seconds": round(time.perf_counter() - started, 3), "peak_memory_mib": round(peak, 1)}


def _fit_candidate(core: Callable[..., dict[str, int]], stage: Stage, arguments: dict[str, Any], out: Path) -> Any:
    """Fit a candidate and return its counts; if it fails, the artifact holds the reason.

    A failed candidate has an artifact, so that it is not tried again with the same data. A full disk, too little memory
    or a kill are not the candidate's failure.
    """
    try:
        counts = core(**arguments, out=out)
    except (DataError, Diverged, RequestError, Unsuitable) as error:
        shutil.rmtree(out)  # the core may have written some files
        out.mkdir()
        write_candidate(stage.settings, out, error)
        logger.log(logging.INFO if stage.point else logging.WARNING, "%s left out: %s", stage.label, error)
        return {FAILED: 1}
    write_candidate(stage.settings, out)
    return counts
