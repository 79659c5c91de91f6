"""Metrics of a server in the text format of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class RequestMetrics:
    """Counters of requests, rows and models, by pipeline."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self._registry = CollectorRegistry()
        of_request = ("pipeline", "endpoint")
        self.requests = Counter("gristmill_requests", "Requests answered.", (*of_request, "status"), registry=registry)
        self.seconds = Histogram(
            "gristmill_request_seconds", "Duration of a request.", of_request, registry=registry, buckets=_SECONDS
        )
        self.batch_rows = Histogram(
            "gristmill_batch_rows", "Rows in a call of the model.", ("pipeline",), registry=registry, buckets=_ROWS
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
