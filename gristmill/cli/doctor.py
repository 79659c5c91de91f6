"""A look at the surroundings: what is installed, whether the store can be used, where data lies."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from gristmill.errors import DataError, GristmillError, RequestError, StoreError
from gristmill.project.project import Project
from gristmill.settings.runner import Runner
from gristmill.training.keras_backend import import_keras
from gristmill.util import extras
from gristmill.util.urls import strip_credentials
from gristmill.workers import dask_cluster
from gristmill.workers.pool import concurrency

LIBRARIES = ("tensorflow", "keras", "prefect", "pandas", "pyarrow", "numpy", "pydantic")

_SHOWN = 3  # files of a pipeline


@dataclass(frozen=True)
class Diagnosis:
    """One line of the doctor's: what was looked at, what was found, whether it is as it must be."""

    subject: str
    found: str
    sound: bool | None = True  # None for what is missing, and need not be there


def examine(project: Project, needed: list[str]) -> Iterator[Diagnosis]:
    """Yield what was found; data of a pipeline in `needed` must be there, that of others may be missing."""
    yield Diagnosis(
        "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )
    for name in LIBRARIES:
        yield _library(name)
    yield _store(project)
    yield _prefect()
    yield _devices()
    yield _runner(project.catalogue.runner)
    for name in project.catalogue.pipelines:
        yield _data(project, name, name in needed)


def _library(name: str) -> Diagnosis:
    try:
        return Diagnosis(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Diagnosis(name, "not installed", sound=False)


def _store(project: Project) -> Diagnosis:
    root = project.store.root
    try:
        project.store.check_writable()
        remote = project.store.remote
    except (RequestError, StoreError) as error:
        return Diagnosis("store", str(error), sound=False)
    free = f"{shutil.disk_usage(root).free / 2**30:.1f} GiB free"
    if remote is None:
        return Diagnosis("store", f"{root}, writable, {free}")
    kept = f", of which {remote.limit / 1e9:g} GB may be used" if remote.limit else ""
    return Diagnosis("store", f"{remote.bucket.url}, reached, writable; cache {root}, {free}{kept}")


def _prefect() -> Diagnosis:
    from prefect.settings import PREFECT_API_URL

    return Diagnosis("prefect api", PREFECT_API_URL.value() or "none set: a temporary server is started for each run")


def _devices() -> Diagnosis:
    import_keras()
    import tensorflow as tf

    devices = ", ".join(device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices())
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    return Diagnosis("devices", f"{devices}; {threads} threads")


def _runner(runner: Runner) -> Diagnosis:
    workers = concurrency(runner, None)
    if runner.kind == "processes":
        return Diagnosis("runner", f"processes of this machine, {workers} at a time where --jobs does not say")
    try:
        extras.require_extra('[runner] kind: "dask"', "dask")
        if not runner.address:
            return Diagnosis("runner", f"a Dask cluster on this machine, {workers} workers, started for each call")
        client = dask_cluster.connected(runner.address)
        with client:
            found = dask_cluster.threads_of(client, runner.address)
    except GristmillError as error:
        return Diagnosis("runner", str(error), sound=False)
    return Diagnosis("runner", f"Dask at {strip_credentials(runner.address)}, {found} workers")


def _data(project: Project, name: str, needed: bool) -> Diagnosis:
    try:
        found = [file for located in project.data(name).values() for file in located.files]
    except DataError as error:
        found_none = str(error) if needed else "absent"
        return Diagnosis(f"data of {name}", found_none, sound=False if needed else None)
    shown = [*map(str, found[:_SHOWN]), *([f"and {len(found) - _SHOWN:,} more"] if len(found) > _SHOWN else [])]
    return Diagnosis(f"data of {name}", ", ".join(shown) or "made by the pipeline itself")
