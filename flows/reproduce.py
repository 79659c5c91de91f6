"""The flow that trains a version again from its own data, and compares the weights.

It works in a separate store, so that no earlier result is used.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from prefect import flow

from gristmill.config.candidates import candidates_of
from gristmill.config.catalogue import restore_settings
from gristmill.config.stages import settings_of_stages, stages_of
from gristmill.execution.run import Run, finish_record
from gristmill.maintenance.local import REPRODUCTION
from gristmill.prefect_runtime.launch import catalogue_of_flow
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.retraining.reproduction import compare_with_version, open_data
from gristmill.store.store import Store
from gristmill.tasks.run import start_record
from gristmill.tasks.stage_tasks import preprocess, refit, select, train
from gristmill.util import extras


@flow(name="reproduce", flow_run_name="reproduce {pipeline} v{version}", persist_result=False)
def reproduce(pipeline: str, version: int, project: str | None = None) -> dict[str, Any]:
    """Train a version again from its own data and settings, and compare the result; nothing is promoted.

    Args:
        pipeline: name of a table in `pipelines.toml`.
        version: number of the version.
        project: folder of `pipelines.toml`; default: found from the current folder upward.

    Returns:
        The comparison (`gristmill/retraining/reproduction.py`).
    """
    with _version_run(pipeline, version, project) as (run, original):
        artifacts = {"ingest": original.references["ingest"]}
        for step in (preprocess, train, select, refit):  # evaluate takes long and changes no weights
            artifacts |= step(run, artifacts)
        reproduction = compare_with_version(original, run.record(), run.store)
    return reproduction.model_dump(mode="json")


@contextmanager
def _version_run(pipeline: str, number: int, project: str | None) -> Iterator[tuple[Run, Version]]:
    """Yield a run with the settings and the candidates of a version, and the version.

    Its record and artifacts are removed at the end, also after an error. After a kill they are kept, so that the next
    run resumes.

    Raises:
        RequestError: there is no such version, its data was removed, its settings do not fit this gristmill, or an
            optional library that they need is missing.
    """
    # Restore the settings of the version, without candidates that it did not train.
    catalogue = catalogue_of_flow(project, {pipeline: ()})
    registry = Registry(catalogue.store)
    registry.pull(pipeline)
    version = registry.version(pipeline, number)
    tables = restore_settings(version.domain, version.trained_with)
    settings = replace(catalogue.pipeline(pipeline), domain=version.domain, tables=tables)
    stages = [stage for stage in stages_of(version.domain, tables) if stage.name != "export"]
    extras.check_installed(settings_of_stages(stages))
    trained = {label.partition(" ")[2] for label in version.references if label.startswith("train ")}
    names = [candidate.name for candidate in candidates_of(version.domain, tables)]
    left_out = tuple(name for name in names if name not in trained)
    # Train it in a store of its own, which has the version's data and the project's downloads as links.
    name = f"{REPRODUCTION}{pipeline}-v{number}"
    with catalogue.store.lock(name):
        scratch = catalogue.store.scratch(name)
        try:
            store, data = Store(scratch), open_data(version, catalogue.store)
            links = {store.path("ingest", data.reference["key"]): data.path}
            links[store.root / "downloads"] = catalogue.store.root / "downloads"
            for link, target in links.items():
                link.parent.mkdir(parents=True, exist_ok=True)
                if target.exists() and not link.is_symlink():
                    link.symlink_to(target.absolute())
            catalogue = replace(catalogue, store=store)
            record = start_record(catalogue, settings, version.overrides)
            with finish_record(store, record):
                yield Run(record.id, catalogue, settings, None, left_out=left_out), version
        except Exception:  # any error of a stage; a kill or Ctrl-C keeps the scratch, so that the next run resumes
            shutil.rmtree(scratch, ignore_errors=True)  # the error is the one to report
            raise
        shutil.rmtree(scratch)
