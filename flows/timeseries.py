"""The time-series flow: a series in, a tested forecaster out."""

from typing import Any

from prefect import flow

from tasks.backtest import backtests
from tasks.evaluate import evaluate
from tasks.export import export
from tasks.ingest import ingest
from tasks.preprocess import preprocess
from tasks.refit import refit
from tasks.run_stage import recorded
from tasks.train import train


@flow(name="timeseries", flow_run_name="{pipeline}", persist_result=False)
def timeseries(
    pipeline: str,
    overrides: list[str] | None = None,
    refresh: str | None = None,
    project: str | None = None,
    jobs: int | None = None,
) -> dict[str, Any]:
    """Ingest series, cut them into windows, train, backtest, evaluate, refit on everything, export.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: assignments such as `train.epochs=5`.
        refresh: a stage to do again even if its result is in the store.
        project: folder of `pipelines.toml`; found from the current folder upward if not given.
        jobs: blocks of the backtest, or chunks of series, that are made at a time; as `[runner]` says if not given.

    Returns:
        The run record.
    """
    with recorded(pipeline, overrides or [], refresh, project, jobs=jobs) as run:
        series = ingest(run)
        windows = preprocess(run, series)
        network = train(run, windows)
        blocks = backtests(run, windows)
        scores = evaluate(run, windows, network, *blocks)
        final = [refit(run, windows, network)] if "refit" in run.stages else []
        export(run, windows, network, scores, *final)
    return run.record().model_dump(mode="json")
