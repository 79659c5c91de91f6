"""The champions that a server uses: each is loaded when it is promoted, and replaces the one before it at once.

A request uses one model from its beginning to its end. While a new champion is loaded, the one before it answers. If
it cannot be loaded, a warning is logged, and the one before it stays.

The inputs of concurrent calls of a model are merged into one call. No call waits for others: while the model computes,
calls gather, and the first of them to get its turn computes all.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from gristmill.config.domains import domain_of
from gristmill.errors import GristmillError
from gristmill.export.formats import Outputs
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.project.predictor import Predictor
from gristmill.project.serving import Models
from gristmill.registry.version import Version
from gristmill.settings.domain import Domain
from gristmill.training.named_arrays import Array

logger = logging.getLogger(__name__)
_SECONDS_BETWEEN_CHECKS, _SECONDS_BETWEEN_REMOTE_CHECKS = 1.0, 3.0  # of a local and of a shared store
_SECONDS_BEFORE_RETRY = 30.0  # after a champion could not be loaded
_MAX_MODELS_KEPT = 2  # of each pipeline: the champion and the one before it, to which a rollback returns
MAX_BATCH_ROWS = 1024  # of a merged call
_DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROW_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class ServedModel:
    """A loaded model of a pipeline."""

    pipeline: str
    domain: Domain
    version: int | None  # None for the model of a run that was not promoted
    run: str  # the run that made it
    bundle: LoadedBundle
    predictor: Predictor

    @property
    def name(self) -> str:
        """Return its name for people: `v3`, or `run 20261129T…`."""
        return f"v{self.version}" if self.version else f"run {self.run}"


class RequestMetrics:
    """Counters of requests, rows and models, by pipeline."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self._registry = CollectorRegistry()
        of_request = ("pipeline", "endpoint")
        self.requests = Counter("gristmill_requests", "Requests answered.", (*of_request, "status"), registry=registry)
        self.seconds = Histogram(
            "gristmill_request_seconds",
            "Duration of a request.",
            of_request,
            registry=registry,
            buckets=_DURATION_BUCKETS,
        )
        self.batch_rows = Histogram(
            "gristmill_batch_rows",
            "Rows in a call of the model.",
            ("pipeline",),
            registry=registry,
            buckets=_ROW_BUCKETS,
        )
        self.version = Gauge(
            "gristmill_model_version", "Version that serves; 0: none is promoted.", ("pipeline",), registry=registry
        )
        self.load_failures = Counter(
            "gristmill_model_load_failures", "Champions not loaded.", ("pipeline",), registry=registry
        )

    def as_text(self) -> bytes:
        """Return all metrics."""
        return generate_latest(self._registry)


class Champions:
    """The models of some pipelines, kept up to date by a thread."""

    def __init__(self, models: Models, pipelines: list[str], metrics: RequestMetrics) -> None:
        self.pipelines = pipelines
        self._models, self._metrics = models, metrics
        self._serving: dict[str, ServedModel] = {}
        self._kept: dict[str, OrderedDict[Path, ServedModel]] = {name: OrderedDict() for name in pipelines}
        self._retries: dict[str, tuple[int, float]] = {}  # by pipeline: a champion that failed, and when to try again
        self._stopped = threading.Event()
        self._following: threading.Thread | None = None

    def get(self, pipeline: str) -> ServedModel | None:
        """Return the model that serves a pipeline; None before it is loaded."""
        return self._serving.get(pipeline)

    @property
    def loaded(self) -> list[ServedModel]:
        """Return the models that serve, in the order of the pipelines."""
        return [self._serving[name] for name in self.pipelines if name in self._serving]

    @property
    def missing(self) -> list[str]:
        """Return the pipelines whose model is not loaded yet."""
        return [name for name in self.pipelines if name not in self._serving]

    def load_all(self) -> None:
        """Load the model of each pipeline.

        Raises:
            GristmillError: one of them has no model, or it cannot be loaded.
        """
        for name in self.pipelines:
            self._serve(name, None)

    def follow(self) -> threading.Thread:
        """Start the thread that loads new champions; it ends after `stop`."""
        seconds = _SECONDS_BETWEEN_REMOTE_CHECKS if self._models.store.remote else _SECONDS_BETWEEN_CHECKS

        def follow() -> None:
            while not self._stopped.wait(seconds):
                self.check()

        self._following = threading.Thread(target=follow, name="champions", daemon=True)
        self._following.start()
        return self._following

    @property
    def is_following(self) -> bool:
        """Whether the thread that loads new champions runs, or was never started."""
        return self._following is None or self._following.is_alive()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def check(self) -> None:
        """Load the champions that were promoted since the last check."""
        for name in self.pipelines:
            number, now = None, time.monotonic()
            try:
                self._models.registry.pull(name)
                number = self._models.registry.promoted(name)  # on this machine or another
                failed, retry_at = self._retries.get(name, (None, 0.0))
                if number in (None, self._serving[name].version) or (number == failed and now < retry_at):
                    continue
                self._serve(name, number)
            except (GristmillError, OSError) as error:
                if number is not None:
                    self._retries[name] = number, now + _SECONDS_BEFORE_RETRY
                self._metrics.load_failures.labels(name).inc()
                logger.warning("%s: %s stays in use: %s", name, self._serving[name].name, error)

    def _serve(self, name: str, number: int | None) -> None:
        """Serve a version of a pipeline; without a number the champion or, without one, the model of its last run."""
        served, folder = self._models.served(name, number)
        version, run = (served.number, served.run) if isinstance(served, Version) else (None, served.id)

        # Load its bundle, so that no request waits for it, unless it is still loaded.
        kept = self._kept[name]
        model = kept.get(folder)
        if model is None or model.version != version:
            observe = self._metrics.batch_rows.labels(name).observe
            bundle = LoadedBundle(folder, partial(Batcher, observe=observe))
            predictor = Predictor(self._models.catalogue, served, bundle)
            bundle.load()
            model = kept[folder] = ServedModel(name, domain_of(served.domain), version, run, bundle, predictor)
        kept.move_to_end(folder)
        while len(kept) > _MAX_MODELS_KEPT:
            kept.popitem(last=False)

        # Replace the model before it at once.
        before = self._serving.get(name)
        self._serving[name] = model
        self._metrics.version.labels(name).set(model.version or 0)
        if before:
            logger.info("%s: %s replaces %s", name, model.name, before.name)


@dataclass(eq=False)
class _Call:
    """Inputs that wait for their turn, and what came of them."""

    inputs: Array
    outputs: dict[str, Array] | None = None
    alone: bool = False  # whether it must not be merged, since a merged call has failed

    def is_like(self, other: "_Call") -> bool:
        same = self.inputs.dtype == other.inputs.dtype and self.inputs.shape[1:] == other.inputs.shape[1:]
        return same and not self.alone and not other.alone


class Batcher:
    """A function from raw inputs, (rows, …), to outputs, which several threads may call at the same time.

    Outputs must have the same rows. `observe` gets the number of rows of each call of the model.
    """

    def __init__(self, call: Outputs, observe: Callable[[int], None] = lambda rows: None) -> None:
        self._call, self._observe = call, observe
        self._waiting: list[_Call] = []
        self._lock, self._turn = Lock(), Lock()

    def __call__(self, inputs: Array) -> dict[str, Array]:
        """Return the outputs for some inputs; an error concerns these inputs alone."""
        own = _Call(inputs)
        with self._lock:
            self._waiting.append(own)
        try:
            while own.outputs is None:
                with self._turn:
                    if own.outputs is None:
                        self._run(own)
        finally:
            with self._lock, suppress(ValueError):
                self._waiting.remove(own)
        return own.outputs

    def _run(self, own: _Call) -> None:
        """Compute the outputs of a waiting call, together with others that can be merged with it.

        If that fails for several together, each is computed alone in its own turn.
        """
        # Gather the calls.
        calls, rows = [own], len(own.inputs)
        with self._lock:
            for other in self._waiting:
                if other is not own and other.is_like(own) and rows + len(other.inputs) <= MAX_BATCH_ROWS:
                    calls.append(other)
                    rows += len(other.inputs)
            self._waiting = [call for call in self._waiting if call not in calls]
        if len(calls) == 1:
            own.outputs = self._compute(own.inputs)
            return
        # Compute them in one call of the model, and give each its rows.
        sizes = [len(call.inputs) for call in calls]
        with suppress(Exception):  # the error may concern one of them only, which will raise it again
            outputs = self._compute(np.concatenate([call.inputs for call in calls]))
            ends = np.cumsum(sizes)
            if all(len(values) == ends[-1] for values in outputs.values()):
                for call, end, size in zip(calls, ends, sizes, strict=True):
                    call.outputs = {name: values[end - size : end] for name, values in outputs.items()}
                return
        for call in calls:
            call.alone = True

    def _compute(self, inputs: Array) -> dict[str, Array]:
        self._observe(len(inputs))
        return self._call(inputs)
