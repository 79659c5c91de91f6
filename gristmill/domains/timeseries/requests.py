"""Requests for forecasts: the last rows of each series, or nothing, to continue the pipeline's own data."""

from collections.abc import Mapping, Sequence
from typing import Any

from gristmill.domains.common.prediction import DATE, Column, Requests
from gristmill.export.loaded_bundle import LoadedBundle


class SeriesRequests(Requests):
    """Rows of series with their times; the example has no body."""

    def columns(self, bundle: LoadedBundle, ingest: Any, id_column: str | None) -> Sequence[Column]:
        signature = bundle.signature
        series = [Column(name, "string", "identifies the series", "a") for name in ingest.series]
        observed = [*signature["targets"], *signature["inputs"]]
        values = [Column(name, "number", "observed value", 1.0) for name in observed]
        known = [Column(name, "number", "known in advance", 1.0) for name in ingest.known]
        about = f"time; at least {signature['history']} rows of each series"
        return [*series, *(Column(name, "string", about, DATE) for name in ingest.time), *values, *known]

    def example(self, columns: Sequence[Column]) -> Mapping[str, Any] | None:
        return None


REQUESTS = SeriesRequests(needs_body=False)
