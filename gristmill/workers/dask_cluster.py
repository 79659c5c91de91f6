"""Dask client side: connect to an existing cluster, or start one on this machine for this call."""

import logging
import os
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from gristmill.errors import WorkError
from gristmill.training.keras_backend import LINEAR_ALGEBRA_VARIABLES, THREADS_VARIABLE
from gristmill.util import extras
from gristmill.util.processes import TEMPORARY_API_VARIABLE
from gristmill.util.urls import strip_credentials
from gristmill.workers.process import Unit, WorkerDied, WorkResult, fingerprint

CONNECT_TIMEOUT = 10  # seconds

_PASSED_ON = ("GRISTMILL_STORE", "GRISTMILL_DATA", "TFDS_DATA_DIR", THREADS_VARIABLE)


class Cluster:
    """Workers of a Dask cluster."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        """Connect to the scheduler at an address, or start a cluster on this machine that ends with this process.

        It runs as many units at a time as `workers` says; None for as many as it has threads.

        Raises:
            RequestError: Dask is not installed.
            WorkError: nothing answers at the address, or the cluster has no worker.
        """
        extras.require_extra('[runner] kind: "dask"', "dask")
        with ExitStack() as opened:  # closes what is open already if a later step fails
            if address is None:
                address = str(opened.enter_context(_start_cluster(workers or os.cpu_count() or 1)).scheduler_address)
            self._address = address
            self._client = opened.enter_context(connect(address))
            threads = count_threads(self._client, address)  # also checks that there is a worker
            self._opened = opened.pop_all()
        self.workers = workers or threads
        self._futures: list[Any] = []
        self._cancelled = False

    def run(self, unit: Unit) -> WorkResult:
        """Run a unit on a worker; raise `WorkerDied` if its process ends, `WorkError` if the scheduler is lost."""
        from distributed import CancelledError, KilledWorker
        from distributed.client import ClosedClientError

        from gristmill.workers import dask_worker

        # Let a worker of the cluster run it in a process of its own.
        try:
            future = self._client.submit(
                dask_worker.run_unit, asdict(unit), _environment(self._address), fingerprint(), pure=False
            )
            self._futures.append(future)
            answer = future.result()
        except (CancelledError, ClosedClientError):
            if self._cancelled:
                raise WorkerDied("cancelled") from None
            raise WorkError(
                f"the Dask scheduler at {strip_credentials(self._address)} was lost during the run. "
                "Run again: it resumes."
            ) from None
        except KilledWorker as killed:  # the cluster's `allowed-failures` is exceeded
            last = killed.last_worker.address
            return WorkResult(failed=f"the workers of the cluster that ran it died ({last} was the last)")
        except ImportError as error:
            return WorkResult(
                failed=f"a worker of the cluster lacks gristmill ({error}). Install the same version as here."
            )
        # Its process may have ended there.
        if died := answer.get("died"):
            raise WorkerDied(died)
        return WorkResult(**answer)

    def close(self) -> None:
        """Cancel all units, and end the cluster if it was started here."""
        self._cancelled = True
        if self._client.status == "running":  # otherwise the scheduler is lost
            self._client.cancel(self._futures, force=True)
        self._opened.close()


def connect(address: str) -> Any:
    """Return a client of a scheduler; raise `WorkError` if nothing answers."""
    import distributed

    _silence_dask()
    try:
        return distributed.Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise WorkError(
            f"[runner] address: no Dask scheduler answers at {strip_credentials(address)} ({why}). "
            "Start it (dask scheduler), or correct the address."
        ) from None


def count_threads(client: Any, address: str) -> int:
    """Return how many units a cluster can run at a time; raise `WorkError` if it has no workers."""
    threads = sum(client.nthreads().values())
    if not threads:
        shown = strip_credentials(address)
        raise WorkError(
            f"[runner] address: the cluster at {shown} has no workers. Start some: dask worker {shown} --nthreads 1"
        )
    return int(threads)


def _start_cluster(workers: int) -> Any:
    import dask
    from distributed import LocalCluster

    _silence_dask()
    # Otherwise Dask would set variables for its workers in this process, such as one thread for linear algebra.
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {}}):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # the work is done in a process whose memory Dask does not see
            silence_logs=logging.CRITICAL,
        )


def _silence_dask() -> None:
    """Turn off Dask's log: gristmill reports lost and cancelled work itself. Its loggers are configured on import."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _environment(scheduler: str) -> dict[str, str | None]:
    """Return the variables of a unit's process: places of store and data, threads, and a Prefect API it can reach.

    Dask limits a worker's linear algebra to one thread, which would change the last digits; here it uses as many as
    this process. An API on this machine's loopback, such as a temporary server, is passed on only to workers on this
    machine; others use the API of their own settings, or start a temporary server.
    """
    api = os.environ.get("PREFECT_API_URL", "")
    reachable = api and (_is_loopback(scheduler) or not _is_loopback(api))
    names = [*_PASSED_ON, *(["PREFECT_API_URL", TEMPORARY_API_VARIABLE] if reachable else [])]
    threads = {name: os.environ.get(name) for name in LINEAR_ALGEBRA_VARIABLES}
    return {name: os.environ[name] for name in names if name in os.environ} | threads


def _is_loopback(address: str) -> bool:
    return (urlsplit(address).hostname or "") in ("127.0.0.1", "::1", "localhost")
