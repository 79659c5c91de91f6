"""The champions that a server uses: each is loaded when it is promoted, and replaces the one before it at once.

A request uses one model from its beginning to its end. While a new champion is loaded, the one before it answers. If
it cannot be loaded, a warning is logged, and the one before it stays.
"""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gristmill.config.domains import domain_of
from gristmill.errors import GristmillError
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.model_server.batching import Batcher
from gristmill.model_server.request_metrics import RequestMetrics
from gristmill.project.predictor import Predictor
from gristmill.project.serving import Models
from gristmill.registry.version import Version
from gristmill.settings.domain import Domain

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_CHECKS, _SECONDS_BETWEEN_REMOTE_CHECKS = 1.0, 3.0  # of a local and of a shared store
_SECONDS_BEFORE_RETRY = 30.0  # after a champion could not be loaded
_MAX_MODELS_KEPT = 2  # of each pipeline: the champion and the one before it, to which a rollback returns


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
