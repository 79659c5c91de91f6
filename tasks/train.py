"""Train: the network, with its progress shown in Prefect's page and to whoever listens."""

import importlib

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill.store.artifact import Reference
from tasks.progress import EpochProgress
from tasks.run_stage import Run, produce


@task(task_run_name="train {run.pipeline.name}", cache_policy=NO_CACHE, persist_result=False)
def train(run: Run, prepared: Reference, *more: Reference) -> Reference:
    """Fit the network, from the last checkpoint on; `more` is what else is read, such as weights to begin from."""
    _refuse_unknown_slices(run, prepared)
    return produce(run, "train", prepared, *more, on_epoch=EpochProgress(run.pipeline.name))


def _refuse_unknown_slices(run: Run, prepared: Reference) -> None:
    """Refuse slices by columns that a classifier's examples do not have: evaluate would do so after the training."""
    if slices := getattr(run.pipeline.tables["evaluate"], "slices", ()):
        from gristmill.domains.common.classification.score_table import check_slices

        examples = importlib.import_module(f"gristmill.domains.{run.pipeline.domain}.dataset")
        check_slices(slices, examples.read(run.catalogue.store.open_verified(prepared).path))
