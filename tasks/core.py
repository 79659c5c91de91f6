"""Call the core function of a stage with its settings, its data files and the folders of its input artifacts."""

import logging
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gristmill.domains.common.candidates import CandidateArtifacts, write_candidate
from gristmill.errors import DataError, Diverged, RequestError, Unsuitable
from gristmill.keys import Identity
from gristmill.runs.downloads import fetch
from gristmill.runs.locations import Located
from gristmill.runs.plan import FAILED
from gristmill.settings.stage import SELECT, Stage
from gristmill.store.code_closure import load_closure
from gristmill.store.store import Draft
from gristmill.tasks.run import References, Run
from gristmill.training.keras_backend import import_keras

logger = logging.getLogger(__name__)


def core_arguments(run: Run, stage: Stage, data: Mapping[str, Located], key: str) -> dict[str, Any]:
    """Return the core's arguments: settings, point, data files, and folders of a resumable stage."""
    store = run.store
    fetch(data.values(), store)
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
    stages = run.stages
    for label in reader.inputs:
        path = run.store.open_verified(inputs[label], by_stat).path
        made = stages.get(label)
        name = made.name if made else label
        if made and made.candidate and not reader.candidate:
            one = candidates.setdefault(made.candidate, CandidateArtifacts(path))
            if name != "train":
                candidates[made.candidate] = replace(one, backtest=(*one.backtest, path))
        elif made and made.axes:
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
