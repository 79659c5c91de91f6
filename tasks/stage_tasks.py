"""Prefect tasks of all stages, and a function that runs the stages of any domain up to a given one."""

import logging
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import cast

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed

from gristmill.errors import SourceChanged, WorkError
from gristmill.retraining.known_data import locate_source
from gristmill.retraining.source_checks import check_lost_rows
from gristmill.runs.plan import FAILED
from gristmill.settings.stage import Stage
from gristmill.sources.tables.csv import Csv, log_ends
from gristmill.store.artifact import Artifact, Reference
from gristmill.tasks.prefect_artifacts import EpochProgress, show_scores
from gristmill.tasks.run import References, Run, stage_task
from gristmill.tasks.run_stage import find_cached, produce, read_inputs, record_stage
from gristmill.training import progress
from gristmill.training.deadline import Deadline, DeadlinePassed
from gristmill.training.progress import Epoch
from gristmill.workers.chunks import StageChunk, make_with_workers

logger = logging.getLogger(__name__)

_ENDS = ("patience", "stop_accuracy", "stop_loss")  # settings with which a training can end early

Made = dict[str, Reference]  # by the label of the stage; a flow has a Cached state, which a task gets as its reference


async def _source_has_changed(task: object, task_run: TaskRun, state: State) -> bool:
    """Return whether a failed ingest should be retried."""
    return isinstance(await state.aresult(raise_on_failure=False), SourceChanged)


@stage_task("{label} {run.pipeline.name}")
def _work(run: Run, label: str, inputs: References) -> Reference:
    """Return the artifact of a stage, from the store or made now; a Stopped state if the budget ends before it is."""
    stage = run.stages[label]
    callbacks = (
        {"on_epoch": _EpochCallback(run.pipeline.name, stage, run.deadline_of(stage))} if stage.resumable else {}
    )
    on_new = {"evaluate": show_scores, "ingest": _check_source}.get(label)
    try:
        made = produce(run, label, inputs, on_new=on_new, **callbacks)
    except DeadlinePassed as passed:
        if passed.deadline is not run.deadline:  # the retraining's own timeout: let it end the flow
            raise
        logger.info("%-10s stopped, because the budget ends", label)
        return cast(Reference, Completed(name="Stopped", message=f"the budget has no time for {label}"))
    if label == "ingest":
        check_lost_rows(run.catalogue, run.pipeline, run.record().references[label])
    return made


class _EpochCallback:
    """Callback of a training that reports each epoch, and stops a training that would end after the budget.

    The time of its further epochs is predicted, unless it can end early.
    """

    def __init__(self, pipeline: str, stage: Stage, deadline: Deadline) -> None:
        self._deadline, self._report = deadline, EpochProgress(pipeline)
        train = stage.settings.get("train")
        self._may_end_early = any(getattr(train, name, None) is not None for name in _ENDS)
        self._first = math.inf, 0.0  # number and time of the first epoch of a training, of which a fold may have one

    def __call__(self, epoch: Epoch) -> None:
        self._report(epoch)
        (number, ended), now = self._first, time.monotonic()
        if epoch.number <= number:
            self._first = epoch.number, now
        elif not self._may_end_early:
            rest = (now - ended) / (epoch.number - number) * (epoch.of - epoch.number)
            if rest > self._deadline.seconds_left:
                raise DeadlinePassed(self._deadline)


def _check_source(run: Run, _: Artifact) -> None:
    source = run.pipeline.tables["source"]
    if isinstance(source, Csv):
        log_ends(source, locate_source(run.catalogue, run.pipeline)["source.path"].files)


def _task(name: str) -> Task[[Run, str, References], Reference]:
    """Return the Prefect task of a stage; ingest is tried again if the source changed while it was read."""
    if name != "ingest":
        return _work.with_options(name=name)
    return _work.with_options(name=name, retries=2, retry_delay_seconds=1, retry_condition_fn=_source_has_changed)


def ingest(run: Run) -> Made:
    """Read the source, check it and write it as Parquet; stop if it has lost rows."""
    return _make(run, {}, "ingest")


def preprocess(run: Run, made: Made) -> Made:
    """Split the data, and fit encoders and scalers on the training set."""
    return _make(run, made, "preprocess")


def train(run: Run, made: Made) -> Made:
    """Fit the model, or every candidate, and forecast the blocks of its backtest.

    A candidate that cannot end within the budget is not started, or is stopped, unless all its artifacts are in the
    cache, or it is a baseline, which is cheap. A candidate that the run leaves out is never used.
    """
    if check := run.domain.check_before_training:
        preprocessed = run.record().references["preprocess"]  # a cached task returns a Prefect state, not a reference
        check.load()(run.store.open_verified(preprocessed, by_stat=True).path, run.pipeline.tables, run.stages.values())
    candidates: dict[str, list[Stage]] = {}
    for stage in run.stages.values():
        if stage.fits:
            candidates.setdefault(stage.candidate, []).append(stage)
    if run.jobs != 1 and len(candidates) > 1 and run.budget is None:
        made = made | _fit_in_parallel(run, candidates, made)
    found: Made = {}
    untried = []
    for candidate, stages in candidates.items():
        fitting = _run_of_candidate(run, stages)
        fitted = fitting and _fit_candidate(fitting, stages, made)
        if fitted:
            found |= fitted
        else:
            untried.append(candidate)
            _remove_from_record(run, {stage.label for stage in stages})
    if run.budget is not None and (step := run.deadline.longest_step).work:
        logger.info("%-10s may be exceeded by %.1f s, the longest uninterruptible step (%s)", "budget", *step)
    if candidates and not found:
        raise WorkError(
            f"{run.pipeline.name}: the budget of {run.budget:g} s ended before a candidate was trained. Use a larger "
            "--budget, or a larger schedule.budget for a retraining. Finished stages are kept."
        )
    if run.budget is not None or untried:
        run.update_record(budget=run.budget, untried=untried)
    return found


def _fit_in_parallel(run: Run, candidates: Mapping[str, list[Stage]], made: Made) -> Made:
    """Let workers fit the candidates, all trainings before all blocks of backtests; return the artifacts.

    Stages that read the features of a candidate are left to this process, since computing features uses all cores.
    """
    stages = [stage for name, own in candidates.items() if name not in run.left_out for stage in own if stage.resumable]
    trainings = [stage for stage in stages if stage.name == "train" and made.keys() >= {*stage.inputs}]
    found = _make_with_workers(run, [stage.label for stage in trainings])
    trained = {one.candidate for one in trainings if one.label in found and not run.has_failed(found[one.label])}
    blocks = [stage.label for stage in stages if stage.name != "train" and stage.candidate in trained]
    return found | _make_with_workers(run, blocks)


def _fit_candidate(run: Run, stages: list[Stage], made: Made) -> Made | None:
    """Return the artifacts of a candidate, or None if the budget ended before all were made.

    A candidate whose training failed is not fitted to the blocks of the backtest.
    """
    found: Made = {}
    try:
        for name in dict.fromkeys(stage.name for stage in stages):
            points = [stage for stage in stages if stage.name == name]
            found |= {stage.label: made[stage.label] for stage in points if stage.label in made}
            if len(points) > 1 and run.jobs != 1:
                with run.deadline_of(points[0]).enforce(f"{name} {points[0].candidate}"):
                    found |= _make_with_workers(run, [stage.label for stage in points if stage.label not in found])
            for stage in points:
                if stage.label not in found:
                    found[stage.label] = _task(name)(run, stage.label, _inputs(stage, made | found))
                    if stage.label not in run.record().stages:
                        return None
            if name == "train" and run.has_failed(run.record().references[points[0].label]):
                break
    except DeadlinePassed as passed:
        if passed.deadline is not run.deadline:
            raise
        return None
    return found


def _remove_from_record(run: Run, labels: Set[str]) -> None:
    stages = run.record().stages
    run.update_record(stages={label: stage for label, stage in stages.items() if label not in labels})


def select(run: Run, made: Made) -> Made:
    """Choose among the candidates, with `kind = "auto"`."""
    return _make(run, made, "select")


def evaluate(run: Run, made: Made) -> Made:
    """Score the model, the baselines and other candidates on the test set."""
    return _make(run, made, "evaluate")


def refit(run: Run, made: Made) -> Made:
    """Train the evaluated model again on all data, with `export.refit`."""
    return _make(run, made, "refit")


def export(run: Run, made: Made) -> Made:
    """Write the model in each format and check the scored predictions."""
    return _make(run, made, "export")


_STEPS = (preprocess, train, select, evaluate, refit, export)


@contextmanager
def proof_ahead(run: Run) -> Iterator[None]:
    """Start the process that verifies the export, if a model was trained: it loads TensorFlow during the evaluation.

    It does not wait for a refit, which may take hours.
    """
    from gristmill.export.bundle import fresh_process_ahead  # late: it loads NumPy, whose threads the run has set

    recorded = run.record().stages
    trained = any(run.stages[label].name == "train" and not stage.cached for label, stage in recorded.items())
    with fresh_process_ahead() if trained and "refit" not in run.stages else nullcontext():
        yield


def run_up_to(last: str, run: Run, made: Made) -> Made:
    """Run the missing stages up to `last`, and return the artifacts of all stages."""
    found = dict(made)
    for step in _STEPS:
        if not any(label.split()[0] == step.__name__ for label in found):
            found |= step(run, found)
        if step.__name__ == last:
            break
    return found


def _make(run: Run, made: Made, name: str) -> Made:
    """Return the artifact of a stage that does not fan out, or nothing if the pipeline does not have the stage."""
    stages = [stage for stage in run.stages.values() if stage.name == name]
    return {stage.label: _task(name)(run, stage.label, _inputs(stage, made)) for stage in stages}


def _inputs(stage: Stage, made: Made) -> References:
    """Return the artifacts that a stage reads; those of candidates that were not tried are missing."""
    return {label: made[label] for label in stage.inputs if label in made or not stage.compares}


def _run_of_candidate(run: Run, stages: list[Stage]) -> Run | None:
    """Return the run that makes the stages of a candidate; None to skip them.

    After the budget, or if the candidate took longer the last time than the budget allows, the cache is used even with
    `--refresh`.
    """
    if stages[0].candidate in run.left_out:
        return None
    if stages[0].is_baseline or run.deadline.seconds_left > _last_seconds(run, stages):
        return run
    cached = replace(run, refresh=None, budget=None)
    return cached if _all_made(cached, stages) else None


def _last_seconds(run: Run, stages: list[Stage]) -> float:
    """Return the seconds that a candidate took the last time, if workers share the blocks of its backtest."""
    points = Counter(stage.name for stage in stages)
    return sum(
        run.last_seconds.get(stage.label, 0.0) / min(run.jobs or points[stage.name], points[stage.name])
        for stage in stages
    )


def _all_made(run: Run, stages: list[Stage]) -> bool:
    found = run.record().references
    for stage in stages:
        artifact = find_cached(run, stage, read_inputs(run, stage, _inputs(stage, found)).identity)
        if artifact is None:
            return False
        if stage.name == "train" and FAILED in artifact.counts:  # it has no further stages
            return True
        found[stage.label] = artifact.reference
    return True


def _make_with_workers(run: Run, labels: list[str]) -> Made:
    """Return the artifacts of stages and add them to the run's record; workers make those that are missing.

    A single missing one is neither made nor returned: this process makes it.
    """
    references = run.record().references
    inputs = {name: references[name] for label in labels for name in run.stages[label].inputs}
    found: Made = {}
    missing: list[StageChunk] = []
    for label in labels:
        identity = read_inputs(run, run.stages[label], inputs).identity
        if artifact := find_cached(run, run.stages[label], identity):
            record_stage(run, label, artifact, cached=True, seconds=0.0)
            found[label] = artifact.reference
        else:
            missing.append(StageChunk(label, identity.key))
    if len(missing) > 1:
        progress.report_work(run.stages[missing[0].stage].name)
        for number, result in make_with_workers(run.catalogue, run.jobs, run.chunk_parameters(inputs), missing):
            label = missing[number].stage
            record_stage(run, label, result.artifact, result.cached, result.seconds)
            found[label] = result.artifact.reference
    return found
