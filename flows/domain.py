"""The flow of every domain: a table of contents of the stages, as a function of a pipeline's name."""

from typing import Any

from prefect import Flow, flow

from gristmill.tasks.run import recorded_run
from gristmill.tasks.stage_tasks import (
    evaluate,
    export,
    ingest,
    preprocess,
    prestart_parity_check,
    refit,
    select,
    train,
)


def domain_flow(module: str, description: str) -> Flow[..., dict[str, Any]]:
    """Return the flow of a domain, named after its module; a stage that a pipeline does not have makes nothing."""

    def run_stages(
        pipeline: str,
        overrides: list[str] | None = None,
        refresh: str | None = None,
        project: str | None = None,
        jobs: int | None = None,
        budget: float | None = None,
        accept: bool = False,
    ) -> dict[str, Any]:
        """Run a pipeline and return its run record.

        Args:
            pipeline: name of a table in `pipelines.toml`.
            overrides: settings to change, such as `train.epochs=5`.
            refresh: a stage to run again even on a cache hit.
            project: folder of `pipelines.toml`; default: found from the current folder upward.
            jobs: candidates, blocks of a backtest or chunks of a stage at a time; default: as [runner] says.
            budget: seconds in which the run should end, with `model.kind = "auto"`.
            accept: use new data even if it breaks a rule for arrivals.
        """
        overrides = overrides or []
        command = None if overrides else "run"  # no messages about settings that are tried
        options: dict[str, Any] = {"jobs": jobs, "budget": budget, "command": command, "accept": accept}
        with recorded_run(pipeline, overrides, refresh, project, **options) as run:
            artifacts = ingest(run)
            artifacts |= preprocess(run, artifacts)
            artifacts |= train(run, artifacts)
            artifacts |= select(run, artifacts)
            with prestart_parity_check(run):
                artifacts |= evaluate(run, artifacts)
                artifacts |= refit(run, artifacts)
                artifacts |= export(run, artifacts)
        return run.record().model_dump(mode="json")

    name = module.rpartition(".")[2]
    run_stages.__name__ = run_stages.__qualname__ = name  # name in Prefect's entrypoint
    run_stages.__module__ = module
    return flow(name=name, flow_run_name="{pipeline}", persist_result=False, description=description)(run_stages)
