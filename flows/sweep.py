"""The flow that tries other settings of a pipeline, side by side in processes of their own."""

from prefect import flow

from tasks.batch import try_trials


@flow(name="sweep", flow_run_name="sweep {pipeline}", persist_result=False)
def sweep(pipeline: str, trials: list[list[str]], jobs: int | None = None, project: str | None = None) -> None:
    """Run a pipeline as far as its scores with each of some settings; a trial that fails does not stop the rest.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        trials: the assignments of each, such as `["model.units=[512]", "train.seed=43"]`.
        jobs: trials at a time; as `[runner]` says if not given.
        project: folder of `pipelines.toml`; found from the current folder upward if not given.
    """
    try_trials(pipeline, trials, jobs, project)
