"""Prefect tasks of all stages, and a function that runs the stages of any domain up to a given one."""

import importlib
from collections.abc import Mapping
from typing import Any

from prefect.client.schemas.objects import State, TaskRun

from gristmill.config.stages import START
from gristmill.errors import SourceChanged
from gristmill.retraining.lost_rows import check_lost_rows
from gristmill.runs import plan
from gristmill.store.artifact import Reference
from gristmill.store.code_closure import read_modules
from gristmill.training import progress
from gristmill.workers.chunks import StageChunk, make_with_workers
from tasks.prefect_artifacts import EpochProgress, show_scores
from tasks.run_stage import Run, imported_code, produce, read_inputs, record_stage, stage_task


async def _source_has_changed(task: object, task_run: TaskRun, state: State) -> bool:
    """Return whether a failed ingest should be retried."""
    return isinstance(await state.aresult(raise_on_failure=False), SourceChanged)


@stage_task("ingest {run.pipeline.name}", retries=2, retry_delay_seconds=1, retry_condition_fn=_source_has_changed)
def ingest(run: Run) -> Reference:
    """Read the source, check it and write it as Parquet; stop if it has lost rows."""
    ingested = produce(run, "ingest")
    check_lost_rows(run.catalogue, run.pipeline, run.record().references["ingest"])
    return ingested


@stage_task("preprocess {run.pipeline.name}")
def preprocess(run: Run, ingested: Reference) -> Reference:
    """Split the data, and fit encoders and scalers on the training set."""
    return produce(run, "preprocess", ingested)


@stage_task("features {run.pipeline.name}")
def features(run: Run, prepared: Reference) -> Reference:
    """Compute the features of each image once, if the base network stays frozen."""
    return produce(run, "features", prepared)


@stage_task("train {run.pipeline.name}")
def train(run: Run, prepared: Reference, *more: Reference) -> Reference:
    """Fit the network, resuming from the last checkpoint; `more` are further inputs, such as initial weights."""
    if slices := getattr(run.pipeline.tables["evaluate"], "slices", ()):  # evaluate would fail after the training
        from gristmill.domains.common.classification.score_table import check_slices

        dataset = importlib.import_module(f"gristmill.domains.{run.pipeline.domain}.dataset")
        check_slices(slices, dataset.read(run.catalogue.store.open_verified(prepared).path))
    return produce(run, "train", prepared, *more, on_epoch=EpochProgress(run.pipeline.name))


@stage_task("{point} {run.pipeline.name}")
def backtest(run: Run, point: str, prepared: Reference) -> Reference:
    """Train on the data before one block and forecast the block."""
    return produce(run, point, prepared, on_epoch=EpochProgress(run.pipeline.name))


def backtests(run: Run, prepared: Reference) -> list[Reference]:
    """Return all blocks of the backtest; workers make missing ones if the run uses several at a time."""
    points = run.points("backtest")
    made = _backtests_by_workers(run, points, prepared) if run.jobs != 1 and len(points) > 1 else {}
    return [made[point] if point in made else backtest(run, point, prepared) for point in points]


def _backtests_by_workers(run: Run, points: list[str], prepared: Reference) -> dict[str, Reference]:
    """Let workers make the missing blocks, and add them to the run's record."""
    steps = plan.plan(run.catalogue, run.pipeline, run.refresh)
    missing = [step.stage for step in steps if step.stage in points and step.state != "fresh"]
    if len(missing) < 2:
        return {}
    modules = read_modules(run.catalogue.store.memo)
    chunks = []
    for point in missing:
        stage = run.stages[point]
        _, digests = read_inputs(run, stage, [prepared])
        identity = plan.identity_of(run.pipeline, stage, digests, modules, imported_code(run, stage))
        chunks.append(StageChunk(point, identity.key))
    progress.report_work("backtest")
    found: dict[str, Reference] = {}
    for number, result in make_with_workers(run.catalogue, run.jobs, run.chunk_parameters([prepared]), chunks):
        record_stage(run, missing[number], result.artifact, result.cached, result.seconds)
        found[missing[number]] = result.artifact.reference
    return found


@stage_task("evaluate {run.pipeline.name}")
def evaluate(run: Run, prepared: Reference, trained: Reference, *more: Reference) -> Reference:
    """Score the model and the baselines on the test set; `more` are further inputs of the domain."""
    return produce(run, "evaluate", prepared, trained, *more, on_new=show_scores)


@stage_task("refit {run.pipeline.name}")
def refit(run: Run, prepared: Reference, trained: Reference, *start: Reference) -> Reference:
    """Train the evaluated model again on all data, resuming from the last checkpoint."""
    return produce(run, "refit", prepared, trained, *start, on_epoch=EpochProgress(run.pipeline.name))


@stage_task("export {run.pipeline.name}")
def export(run: Run, prepared: Reference, trained: Reference, evaluated: Reference, *more: Reference) -> Reference:
    """Write the model in each format and check the scored predictions; `more` are further inputs."""
    return produce(run, "export", prepared, trained, evaluated, *more)


_TASKS: dict[str, Any] = {
    "preprocess": preprocess,
    "features": features,
    "train": train,
    "evaluate": evaluate,
    "refit": refit,
    "export": export,
}


def run_up_to(last: str, run: Run, made: Mapping[str, Reference]) -> dict[str, Reference]:
    """Run the missing stages up to `last`, and return the references of all stages."""
    references = dict(made) | ({START: run.start} if run.start else {})
    for label, stage in run.stages.items():
        if label not in references:
            inputs = [references[name] for name in stage.inputs]
            if stage.point:
                references |= zip(run.points(stage.name), backtests(run, *inputs), strict=True)
            else:
                references[label] = _TASKS[stage.name](run, *inputs)
        if stage.name == last:
            break
    return references
