"""A Dask cluster from the side of who sends it units: one that runs already, or one on this machine for this call."""

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
from gristmill.workers import environment
from gristmill.workers.unit import Unit, WorkerDied, WorkResult

PATIENCE = 10  # seconds for a scheduler to answer

_PASSED_ON = ("GRISTMILL_STORE", "GRISTMILL_DATA", "TFDS_DATA_DIR", THREADS_VARIABLE)


class Cluster:
    """The workers of a Dask cluster."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        """Connect to a cluster, or start one of this many workers.

        Args:
            address: of a scheduler; None to start a cluster on this machine, which ends with this process.
            workers: units at a time; None for as many as the cluster has room for.

        Raises:
            RequestError: Dask is not installed.
            WorkError: nobody answers at the address, or the cluster has no worker.
        """
        extras.require_extra('[runner] kind: "dask"', "dask")
        with ExitStack() as opened:  # closes what is open already where a later step fails
            if address is None:
                address = str(opened.enter_context(_start(workers or os.cpu_count() or 1)).scheduler_address)
            self._address = address
            self._client = opened.enter_context(connected(address))
            threads = threads_of(self._client, address)  # always asked: without workers all tasks would wait
            self._opened = opened.pop_all()
        self.workers = workers or threads
        self._futures: list[Any] = []
        self._given_up = False

    def attempt(self, unit: Unit) -> WorkResult:
        """Have a worker do a unit.

        Raises:
            WorkerDied: its process ended meanwhile.
            WorkError: the scheduler was lost.
        """
        from distributed import CancelledError, KilledWorker
        from distributed.client import ClosedClientError

        from gristmill.workers import dask_worker

        try:
            future = self._client.submit(
                dask_worker.attempt, asdict(unit), _environment(self._address), environment.fingerprint(), pure=False
            )
            self._futures.append(future)
            answer = future.result()
        except (CancelledError, ClosedClientError):
            if self._given_up:
                raise WorkerDied("given up") from None
            lost = f"the Dask scheduler at {strip_credentials(self._address)} was lost in mid-run."
            raise WorkError(f"{lost} Run again: it goes on from here.") from None
        except KilledWorker as killed:  # after as many as the cluster's `allowed-failures` says
            return WorkResult(failed=f"the workers of the cluster died of it ({killed.last_worker.address} last)")
        except ImportError as error:
            return WorkResult(failed=f"a worker of the cluster lacks gristmill ({error}). Install the same as here.")
        if died := answer.get("died"):
            raise WorkerDied(died)
        return WorkResult(**answer)

    def close(self) -> None:
        """Cancel what is being done, and end the cluster if it was started here."""
        self._given_up = True
        if self._client.status == "running":  # else the scheduler is gone
            self._client.cancel(self._futures, force=True)
        self._opened.close()


def connected(address: str) -> Any:
    """Return a client of the scheduler at an address.

    Raises:
        WorkError: nobody answers there.
    """
    import distributed

    _hush()
    try:
        return distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise WorkError(
            f"[runner] address: no Dask scheduler answers at {strip_credentials(address)} ({why}). "
            "Start it (dask scheduler), or correct the address."
        ) from None


def threads_of(client: Any, address: str) -> int:
    """Return how many units a cluster can do at a time.

    Raises:
        WorkError: none.
    """
    threads = sum(client.nthreads().values())
    if not threads:
        raise WorkError(
            f"[runner] address: the cluster at {strip_credentials(address)} has no workers. "
            f"Start some: dask worker {strip_credentials(address)} --nthreads 1"
        )
    return int(threads)


def _start(workers: int) -> Any:
    import dask
    from distributed import LocalCluster

    _hush()
    # What it has in mind for its workers would stay in this process's environment, one thread for linear algebra too.
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {}}):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # a worker's own process does the work; its memory is not Dask's to count
            silence_logs=logging.CRITICAL,
        )


def _hush() -> None:
    """Have Dask's log say nothing here: what is lost or cancelled is told by us, in a line. It is set up on import."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _environment(scheduler: str) -> dict[str, str | None]:
    """Return the variables that a unit's process needs: store and data at the same places, an API it can reach.

    Dask has a worker's linear algebra use one thread, which changes the last digits; here it uses as many as where the
    unit comes from, or, by None, its own choice.

    One that listens at this machine's loopback alone, as temporary servers do, is none of another machine's: there a
    worker uses the API that its own settings name, or starts a temporary server of its own.
    """
    api = os.environ.get("PREFECT_API_URL", "")
    reached = api and (_is_loopback(scheduler) or not _is_loopback(api))
    names = [*_PASSED_ON, *(["PREFECT_API_URL", TEMPORARY_API_VARIABLE] if reached else [])]
    threads = {name: os.environ.get(name) for name in LINEAR_ALGEBRA_VARIABLES}
    return {name: os.environ[name] for name in names if name in os.environ} | threads


def _is_loopback(address: str) -> bool:
    return (urlsplit(address).hostname or "") in ("127.0.0.1", "::1", "localhost")
