"""The time-series flow: series in, a tested forecaster out."""

from typing import Any

from prefect import flow

from tasks.run_stage import recorded_run
from tasks.stage_tasks import backtests, evaluate, export, ingest, preprocess, refit, train


@flow(name="timeseries", flow_run_name="{pipeline}", persist_result=False)
def timeseries(
    pipeline: str,
    overrides: list[str] | None = None,
    refresh: str | None = None,
    project: str | None = None,
    jobs: int | None = None,
) -> dict[str, Any]:
    """Ingest series, window, train, backtest, evaluate, refit on all data, export; return the run record.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        overrides: settings to change, such as `train.epochs=5`.
        refresh: a stage to run again even on a cache hit.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
        jobs: blocks of the backtest, or chunks of series, at a time; default: as [runner] says.
    """
    with recorded_run(pipeline, overrides or [], refresh, project, jobs=jobs) as run:
        series = ingest(run)
        windows = preprocess(run, series)
        network = train(run, windows)
        blocks = backtests(run, windows)
        scores = evaluate(run, windows, network, *blocks)
        final = [refit(run, windows, network)] if "refit" in run.stages else []
        export(run, windows, network, scores, *final)
    return run.record().model_dump(mode="json")
