"""The flow of a sweep: run trials of a pipeline in parallel, each in a worker process."""

from prefect import flow

from tasks.batch import try_trials


@flow(name="sweep", flow_run_name="sweep {pipeline}", persist_result=False)
def sweep(pipeline: str, trials: list[list[str]], jobs: int | None = None, project: str | None = None) -> None:
    """Run a pipeline up to its scores with different settings; a trial that fails does not stop the others.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        trials: settings of each trial, such as `["model.units=[512]", "train.seed=43"]`.
        jobs: trials at a time; default: as [runner] says.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
    """
    try_trials(pipeline, trials, jobs, project)
