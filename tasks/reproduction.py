"""Training of a version again from its data, in a separate store, so that no earlier result is used."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gristmill.config.candidates import candidates_of
from gristmill.config.catalogue import Catalogue, restore_settings
from gristmill.config.stages import settings_of_stages, stages_of
from gristmill.maintenance.local import REPRODUCTION
from gristmill.prefect_runtime.launch import catalogue_of_flow
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.retraining.reproduction import open_data
from gristmill.store.store import Store
from gristmill.tasks.run import Run, finish_record, start_record
from gristmill.util import extras


@contextmanager
def version_run(pipeline: str, number: int, project: str | None) -> Iterator[tuple[Run, Version]]:
    """Yield a run with the settings and the candidates of a version, and the version.

    Its record and artifacts are removed at the end, also after an error. After a kill they are kept, so that the next
    run resumes.

    Raises:
        RequestError: there is no such version, its data was removed, its settings do not fit this gristmill, or an
            optional library that they need is missing.
    """
    catalogue = catalogue_of_flow(project, {pipeline: ()})
    registry = Registry(catalogue.store)
    registry.pull(pipeline)
    version = registry.version(pipeline, number)
    tables = restore_settings(version.domain, version.trained_with)
    settings = replace(catalogue.pipeline(pipeline), domain=version.domain, tables=tables)
    extras.check_installed(settings_of_stages(one for one in stages_of(version.domain, tables) if one.name != "export"))
    tried = {label.partition(" ")[2] for label in version.references if label.startswith("train ")}
    left_out = [one.name for one in candidates_of(version.domain, tables) if one.name not in tried]
    name = f"{REPRODUCTION}{pipeline}-v{number}"
    with catalogue.store.lock(name):
        scratch = catalogue.store.scratch(name)
        try:
            own = replace(catalogue, store=_own_store(catalogue, version, scratch))
            record = start_record(own, settings, version.overrides)
            with finish_record(own.store, record):
                yield Run(record.id, own, settings, None, left_out=tuple(left_out)), version
        except Exception:  # any error of a stage; a kill or Ctrl-C keeps the scratch, so that the next run resumes
            shutil.rmtree(scratch, ignore_errors=True)  # the error is the one to report
            raise
        shutil.rmtree(scratch)


def _own_store(catalogue: Catalogue, version: Version, root: Path) -> Store:
    """Return a store with the data of a version and the downloads of the project's store, as links."""
    own, data, downloads = Store(root), open_data(version, catalogue.store), catalogue.store.root / "downloads"
    links = {own.path("ingest", data.reference["key"]): data.path, own.root / "downloads": downloads}
    for link, target in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not link.is_symlink():
            link.symlink_to(target.absolute())
    return own
