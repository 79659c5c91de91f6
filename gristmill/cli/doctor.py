"""Diagnosis of the environment: installed libraries, store, Prefect, devices, runner, data."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from gristmill.errors import DataError, GristmillError, RequestError, StoreError, WorkError, count_of
from gristmill.prefect_runtime.message_receiver import open_receiver
from gristmill.project.project import Project
from gristmill.settings.file_tables import Runner
from gristmill.training.keras_backend import import_keras
from gristmill.util import extras
from gristmill.util.urls import strip_credentials
from gristmill.workers import dask_cluster
from gristmill.workers.pool import concurrency

LIBRARIES = ("tensorflow", "keras", "prefect", "pandas", "pyarrow", "numpy", "pydantic")

_MAX_FILES_LISTED = 3  # of each pipeline


@dataclass(frozen=True)
class Diagnosis:
    """One finding of the doctor."""

    subject: str
    finding: str
    sound: bool | None = True  # None for something that is missing but optional


def examine(project: Project, needed: list[str], send_test: bool = False) -> Iterator[Diagnosis]:
    """Yield the findings; missing data is an error for the pipelines in `needed` only.

    `send_test` sends a test message to the receiver in `[notify]`.
    """
    from prefect.settings import PREFECT_API_URL

    system = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield Diagnosis("python", system)
    for name in LIBRARIES:
        try:
            yield Diagnosis(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Diagnosis(name, "not installed", sound=False)
    yield _lightgbm()
    yield _store(project)
    yield Diagnosis("prefect api", PREFECT_API_URL.value() or "not set: each run starts a temporary server")
    # The devices, which only TensorFlow knows.
    import_keras()
    import tensorflow as tf

    devices = ", ".join(device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices())
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    yield Diagnosis("devices", f"{devices}; {count_of(threads or 1, 'threads')}")
    yield _runner(project.catalogue.runner)
    yield _receiver(project, send_test)
    # The data of each pipeline.
    for name in project.catalogue.pipelines:
        try:
            files = [str(file) for located in project.data(name).values() for file in located.files]
        except DataError as error:
            is_needed = name in needed
            found = str(error) if is_needed else "absent"
            yield Diagnosis(f"data of {name}", found, sound=False if is_needed else None)
            continue
        hidden = len(files) - _MAX_FILES_LISTED
        listed = files[:_MAX_FILES_LISTED] + ([f"and {hidden:,} more"] if hidden > 0 else [])
        yield Diagnosis(f"data of {name}", ", ".join(listed) or "made by the pipeline itself")


def _lightgbm() -> Diagnosis:
    """Return whether LightGBM can be loaded: it needs a library of the system that its wheel does not bring."""
    from gristmill.training.trees.fit import fit_trees

    try:
        version = metadata.version("lightgbm")
        fit_trees([])  # starts the process that fits trees
    except metadata.PackageNotFoundError:
        return Diagnosis("lightgbm", "not installed", sound=False)
    except WorkError as error:
        return Diagnosis("lightgbm", f"{version}; {error}. Boosted trees are left out", sound=False)
    return Diagnosis("lightgbm", version)


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
    limit = f", limited to {remote.limit / 1e9:g} GB" if remote.limit else ""
    return Diagnosis("store", f"{remote.bucket.url}, reached, writable; cache {root}, {free}{limit}")


def _runner(runner: Runner) -> Diagnosis:
    workers = concurrency(runner, None)
    if runner.kind == "processes":
        return Diagnosis("runner", f"processes on this machine, {workers} without --jobs")
    try:
        extras.require_extra('[runner] kind: "dask"', "dask")
        if not runner.address:
            size = count_of(workers or 1, "workers")
            return Diagnosis("runner", f"a Dask cluster on this machine for each command, {size}")
        with dask_cluster.connect(runner.address) as client:
            threads = dask_cluster.count_threads(client, runner.address)
    except GristmillError as error:
        return Diagnosis("runner", str(error), sound=False)
    return Diagnosis("runner", f"Dask at {strip_credentials(runner.address)}, {count_of(threads, 'workers')}")


def _receiver(project: Project, send_test: bool) -> Diagnosis:
    if project.catalogue.notify is None:
        return Diagnosis("notify", "no table [notify]: no messages are sent", sound=False if send_test else None)
    try:
        receiver = open_receiver(project.catalogue.notify)
        if send_test:
            receiver.send("gristmill: test", f"Test message from {project.catalogue.root} on host {platform.node()}.")
    except GristmillError as error:
        return Diagnosis("notify", str(error), sound=False)
    return Diagnosis("notify", f"{receiver.name}{', test message sent' if send_test else ''}")
