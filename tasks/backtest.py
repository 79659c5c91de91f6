"""Backtest: blocks of the rolling origin, each by networks of its own, which know nothing of one another."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.runs import plan
from gristmill.store.artifact import Reference
from gristmill.store.code_closure import read_modules
from gristmill.training import progress
from gristmill.workers.chunks import StageChunk, made_by_workers
from tasks.progress import EpochProgress
from tasks.run_stage import Run, imported_by, note, produce, read_by


@task(task_run_name="{point} {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def backtest(run: Run, point: str, prepared: Reference) -> Reference:
    """Train on what came before one block and forecast the block."""
    return produce(run, point, prepared, on_epoch=EpochProgress(run.pipeline.name))


def backtests(run: Run, prepared: Reference) -> list[Reference]:
    """Return every block, those that are missing made side by side where the run does several at a time."""
    points = run.points("backtest")
    made = _side_by_side(run, points, prepared) if run.jobs != 1 and len(points) > 1 else {}
    return [made[point] if point in made else backtest(run, point, prepared) for point in points]


def _side_by_side(run: Run, points: list[str], prepared: Reference) -> dict[str, Reference]:
    """Have workers make the blocks that are missing, and note them in the run, whose record is this process's."""
    steps = plan.plan(run.catalogue, run.pipeline, run.refresh)
    missing = [step.stage for step in steps if step.stage in points and step.state != "fresh"]
    if len(missing) < 2:
        return {}
    modules = read_modules(run.catalogue.store.memo)
    blocks = []
    for point in missing:
        stage = run.stages[point]
        _, digests = read_by(run, stage, [prepared])
        made_of = plan.identity_of(run.pipeline, stage, digests, modules, imported_by(run, stage))
        blocks.append(StageChunk(point, made_of.key))
    progress.report_work("backtest")
    found: dict[str, Reference] = {}
    for number, block in made_by_workers(run.catalogue, run.jobs, run.asked(prepared), blocks):
        note(run, missing[number], block.artifact, block.cached, block.seconds)
        found[missing[number]] = block.artifact.reference
    return found
