"""Prefect tasks of all stages, and a function that runs the stages of any domain up to a given one.

A flow passes the references of artifacts from task to task. If a task returns a Cached state, the flow holds the state,
and the next task gets its reference.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, cast

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed

from gristmill.errors import SourceChanged, WorkError
from gristmill.execution.chunks import StageChunk, make_with_workers
from gristmill.execution.run import References, Run
from gristmill.execution.stage import find_cached, make, read_inputs, record_stage
from gristmill.retraining.arrivals import check_arrival, check_rules
from gristmill.retraining.known_data import locate_source
from gristmill.runs.plan import FAILED
from gristmill.settings.stage import Stage
from gristmill.sources.tables.csv import Csv, log_ends
from gristmill.store.artifact import Reference
from gristmill.tasks.prefect_artifacts import EpochProgress, show_scores
from gristmill.tasks.run import stage_task
from gristmill.training import progress
from gristmill.training.deadline import DeadlinePassed

logger = logging.getLogger(__name__)


@stage_task("{label} {run.pipeline.name}")
def _work(run: Run, label: str, inputs: References) -> Reference:
    """Return the artifact of a stage, from the store or made now; a Stopped state if the budget ends before it is."""
    stage = run.stages[label]
    extras = {"on_epoch": EpochProgress(run.pipeline.name, stage, run.deadline_of(stage))} if stage.resumable else {}
    try:
        reference = produce(run, label, inputs, **extras)
    except DeadlinePassed as passed:
        if passed.deadline is not run.deadline:  # the retraining's own timeout: let it end the flow
            raise
        logger.info("%-10s stopped, because the budget ends", label)
        return cast(Reference, Completed(name="Stopped", message=f"the budget has no time for {label}"))
    if label == "ingest":
        ingested = run.record().references[label]
        check_rules(run.catalogue, run.pipeline, ingested)
        broken = check_arrival(run.catalogue, run.pipeline, ingested, run.accept)
        run.update_record(accepted=broken)
    return reference


def produce(run: Run, label: str, inputs: References, **extras: Any) -> Reference:
    """Return the reference of a stage's artifact, and record it; on a cache hit, return a Cached state.

    For the arguments see `execution/stage.py`.
    """
    started = time.perf_counter()
    artifact, cached = make(run, label, inputs, **extras)
    record_stage(run, label, artifact, cached, seconds=time.perf_counter() - started)
    if cached:  # Prefect shows the state; the flow gets its data
        return cast(Reference, Completed(name="Cached", message=f"{label} is fresh", data=artifact.reference))
    if label == "evaluate":
        show_scores(run.pipeline, artifact)
    elif label == "ingest" and isinstance(source := run.pipeline.tables["source"], Csv):
        log_ends(source, locate_source(run.catalogue, run.pipeline)["source.path"].files)
    return artifact.reference


async def _source_has_changed(task: object, task_run: TaskRun, state: State) -> bool:
    """Return whether a failed ingest should be retried."""
    return isinstance(await state.aresult(raise_on_failure=False), SourceChanged)


def _task(name: str) -> Task[[Run, str, References], Reference]:
    """Return the Prefect task of a stage; ingest is tried again if the source changed while it was read."""
    if name != "ingest":
        return _work.with_options(name=name)
    return _work.with_options(name=name, retries=2, retry_delay_seconds=1, retry_condition_fn=_source_has_changed)


def ingest(run: Run) -> dict[str, Reference]:
    """Read the source, check it and write it as Parquet; stop if it breaks a rule for arrivals."""
    return _run_stage(run, {}, "ingest")


def preprocess(run: Run, artifacts: References) -> dict[str, Reference]:
    """Split the data, and fit encoders and scalers on the training set."""
    return _run_stage(run, artifacts, "preprocess")


def train(run: Run, artifacts: References) -> dict[str, Reference]:
    """Fit the model, or every candidate, and forecast the blocks of its backtest.

    A candidate that cannot end within the budget is not started, or is stopped, unless all its artifacts are in the
    cache, or it is a baseline, which is cheap. A candidate that the run leaves out is never used.
    """
    # Check what would fail only after a training.
    if check := run.domain.check_before_training:
        preprocessed = run.record().references["preprocess"]  # a cached task returns a Prefect state, not a reference
        check.load()(run.store.open_verified(preprocessed, by_stat=True).path, run.pipeline.tables, run.stages.values())
    # Let workers fit the candidates, if there are several.
    candidates: dict[str, list[Stage]] = {}
    for stage in run.stages.values():
        if stage.fits:
            candidates.setdefault(stage.candidate, []).append(stage)
    if run.jobs != 1 and len(candidates) > 1 and run.budget is None:
        artifacts = {**artifacts, **_fit_in_parallel(run, candidates, artifacts)}
    # Fit the rest here, and remove those that are not complete from the record.
    fitted: dict[str, Reference] = {}
    untried = []
    for candidate, stages in candidates.items():
        fitting = _run_of_candidate(run, stages)
        if fitting and (complete := _fit_candidate(fitting, stages, artifacts)):
            fitted |= complete
            continue
        untried.append(candidate)
        labels = {stage.label for stage in stages}
        recorded = run.record().stages.items()
        run.update_record(stages={label: stage for label, stage in recorded if label not in labels})
    # Note what the budget has left out.
    if run.budget is not None and (step := run.deadline.longest_step).work:
        logger.info("%-10s may be exceeded by %.1f s, the longest uninterruptible step (%s)", "budget", *step)
    if candidates and not fitted:
        raise WorkError(
            f"{run.pipeline.name}: the budget of {run.budget:g} s ended before a candidate was trained. Use a larger "
            "--budget, or a larger schedule.budget for a retraining. Finished stages are kept."
        )
    if run.budget is not None or untried:
        run.update_record(budget=run.budget, untried=untried)
    return fitted


def select(run: Run, artifacts: References) -> dict[str, Reference]:
    """Choose among the candidates, with `kind = "auto"`."""
    return _run_stage(run, artifacts, "select")


def evaluate(run: Run, artifacts: References) -> dict[str, Reference]:
    """Score the model, the baselines and other candidates on the test set."""
    return _run_stage(run, artifacts, "evaluate")


def refit(run: Run, artifacts: References) -> dict[str, Reference]:
    """Train the evaluated model again on all data, with `export.refit`."""
    return _run_stage(run, artifacts, "refit")


def export(run: Run, artifacts: References) -> dict[str, Reference]:
    """Write the model in each format and check the scored predictions."""
    return _run_stage(run, artifacts, "export")


def run_up_to(last: str, run: Run, artifacts: References) -> dict[str, Reference]:
    """Run the missing stages up to `last`, and return the artifacts of all stages."""
    complete = dict(artifacts)
    for step in (preprocess, train, select, evaluate, refit, export):
        if not any(label.split()[0] == step.__name__ for label in complete):
            complete |= step(run, complete)
        if step.__name__ == last:
            break
    return complete


@contextmanager
def prestart_parity_check(run: Run) -> Iterator[None]:
    """Start the process that verifies the export, if a model was trained: it loads TensorFlow during the evaluation.

    It does not wait for a refit, which may take hours.
    """
    from gristmill.export.bundle import prestart_parity_check  # late: it loads NumPy, whose threads the run has set

    recorded = run.record().stages
    trained = any(run.stages[label].name == "train" and not stage.cached for label, stage in recorded.items())
    with prestart_parity_check() if trained and "refit" not in run.stages else nullcontext():
        yield


def _run_stage(run: Run, artifacts: References, name: str) -> dict[str, Reference]:
    """Return the artifact of a stage that does not fan out, or nothing if the pipeline does not have the stage."""
    stages = [stage for stage in run.stages.values() if stage.name == name]
    return {stage.label: _task(name)(run, stage.label, _inputs(stage, artifacts)) for stage in stages}


def _inputs(stage: Stage, artifacts: References) -> References:
    """Return the artifacts that a stage reads; those of candidates that were not tried are missing."""
    return {label: artifacts[label] for label in stage.inputs if label in artifacts or not stage.compares}


def _fit_in_parallel(run: Run, candidates: Mapping[str, list[Stage]], artifacts: References) -> dict[str, Reference]:
    """Let workers fit the candidates, all trainings before all blocks of backtests; return the artifacts.

    Stages that read the features of a candidate are left to this process, since computing features uses all cores.
    """
    stages = [stage for name, own in candidates.items() if name not in run.left_out for stage in own if stage.resumable]
    trainings = [stage for stage in stages if stage.name == "train" and artifacts.keys() >= {*stage.inputs}]
    fitted = _make_with_workers(run, [stage.label for stage in trainings])
    successful = {
        stage.candidate for stage in trainings if stage.label in fitted and not run.has_failed(fitted[stage.label])
    }
    blocks = [stage.label for stage in stages if stage.name != "train" and stage.candidate in successful]
    return fitted | _make_with_workers(run, blocks)


def _fit_candidate(run: Run, stages: list[Stage], artifacts: References) -> dict[str, Reference] | None:
    """Return the artifacts of a candidate, or None if the budget ended before all were made.

    A candidate whose training failed is not fitted to the blocks of the backtest.
    """
    fitted: dict[str, Reference] = {}
    try:
        for name in dict.fromkeys(stage.name for stage in stages):
            points = [stage for stage in stages if stage.name == name]
            fitted |= {stage.label: artifacts[stage.label] for stage in points if stage.label in artifacts}
            if len(points) > 1 and run.jobs != 1:
                with run.deadline_of(points[0]).enforce(f"{name} {points[0].candidate}"):
                    fitted |= _make_with_workers(run, [stage.label for stage in points if stage.label not in fitted])
            for stage in points:
                if stage.label not in fitted:
                    fitted[stage.label] = _task(name)(run, stage.label, _inputs(stage, {**artifacts, **fitted}))
                    if stage.label not in run.record().stages:
                        return None
            if name == "train" and run.has_failed(run.record().references[points[0].label]):
                break
    except DeadlinePassed as passed:
        if passed.deadline is not run.deadline:
            raise
        return None
    return fitted


def _run_of_candidate(run: Run, stages: list[Stage]) -> Run | None:
    """Return the run that makes the stages of a candidate; None to skip them.

    After the budget, or if the candidate took longer the last time than the budget allows, the cache is used even with
    `--refresh`.
    """
    if stages[0].candidate in run.left_out:
        return None
    if stages[0].is_baseline or run.deadline.seconds_left > _last_seconds(run, stages):
        return run
    run = replace(run, refresh=None, budget=None)
    references = run.record().references
    for stage in stages:
        artifact = find_cached(run, stage, read_inputs(run, stage, _inputs(stage, references)).identity)
        if artifact is None:
            return None
        if stage.name == "train" and FAILED in artifact.counts:  # it has no further stages
            break
        references[stage.label] = artifact.reference
    return run


def _last_seconds(run: Run, stages: list[Stage]) -> float:
    """Return the seconds that a candidate took the last time, if workers share the blocks of its backtest."""
    points = Counter(stage.name for stage in stages)
    return sum(
        run.last_seconds.get(stage.label, 0.0) / min(run.jobs or points[stage.name], points[stage.name])
        for stage in stages
    )


def _make_with_workers(run: Run, labels: list[str]) -> dict[str, Reference]:
    """Return the artifacts of stages and add them to the run's record; workers make those that are missing.

    A single missing one is neither made nor returned: this process makes it.
    """
    references = run.record().references
    inputs = {name: references[name] for label in labels for name in run.stages[label].inputs}
    complete: dict[str, Reference] = {}
    missing: list[StageChunk] = []
    for label in labels:
        identity = read_inputs(run, run.stages[label], inputs).identity
        if artifact := find_cached(run, run.stages[label], identity):
            record_stage(run, label, artifact, cached=True, seconds=0.0)
            complete[label] = artifact.reference
        else:
            missing.append(StageChunk(label, identity.key))
    if len(missing) > 1:
        progress.report_work(run.stages[missing[0].stage].name)
        for chunk, artifact, cached, seconds in make_with_workers(run, inputs, missing):
            record_stage(run, chunk.stage, artifact, cached, seconds)
            complete[chunk.stage] = artifact.reference
    return complete
