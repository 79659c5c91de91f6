"""Decorator that makes a flow of a domain's stages: it starts a run, and returns its record."""

from collections.abc import Callable
from typing import Any

from prefect import Flow, flow

from tasks.run import Run, recorded_run


def domain_flow(stages: Callable[[Run], object]) -> Flow[..., dict[str, Any]]:
    """Return a flow with the name of a function that calls the stages of a domain one after the other."""

    def run_stages(
        pipeline: str,
        overrides: list[str] | None = None,
        refresh: str | None = None,
        project: str | None = None,
        jobs: int | None = None,
        budget: float | None = None,
    ) -> dict[str, Any]:
        """Run a pipeline and return its run record.

        Args:
            pipeline: name of a table in `pipelines.toml`.
            overrides: settings to change, such as `train.epochs=5`.
            refresh: a stage to run again even on a cache hit.
            project: folder of `pipelines.toml`; default: found from the current folder upward.
            jobs: blocks of a backtest, or chunks of a stage, at a time; default: as [runner] says.
            budget: seconds after which no further candidate is started, with `model.kind = "auto"`.
        """
        with recorded_run(pipeline, overrides or [], refresh, project, jobs=jobs, budget=budget) as run:
            stages(run)
        return run.record().model_dump(mode="json")

    name = stages.__name__
    run_stages.__name__ = run_stages.__qualname__ = name  # name in Prefect's entrypoint
    run_stages.__module__ = stages.__module__
    make_flow = flow(name=name, flow_run_name="{pipeline}", persist_result=False, description=stages.__doc__)
    return make_flow(run_stages)
