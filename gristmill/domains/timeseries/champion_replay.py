"""Replay of a champion: its forecasts at any time of series that may continue after its training data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.data.split import bounds_of, reached
from gristmill.domains.timeseries.data.windows import Origins
from gristmill.domains.timeseries.forecasts import Array, split_exported
from gristmill.domains.timeseries.predict import anchor_of
from gristmill.domains.timeseries.preprocess import known_ahead, read_series, shifted
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.export import bundle
from gristmill.runs.retraining_record import incomparable_error
from gristmill.util.table_io import read_document


class ChampionReplay:
    """An exported model together with ingested series."""

    def __init__(self, export: Path, settings: Preprocess, ingest: Path, last: Any) -> None:
        """Read the verified bundle and arrange the ingested series as its input, `data`.

        Observations after `last`, the last time of the training data, are the test set. Series with other columns than
        the model's raise `RequestError`.
        """
        self._signature = read_document(export / "signature.json")
        self._predict = bundle.load(export, self._signature["formats"][0])
        self.data = _prepared(self._signature, settings, ingest, last)

    def forecast(self, starts: Origins) -> Array:
        """Return the forecasts from some origins, (windows, horizon, targets)."""
        targets = len(self._signature["targets"])
        if not len(starts):
            return np.empty((0, self._signature["horizon"], targets))
        output = self._predict(self.data.histories(starts))
        return split_exported(output, self._signature["quantiles"], targets)[0].astype(np.float64)

    def has_history(self, starts: Origins) -> Any:
        """Return which origins have a history as long as the model's, (windows,) of bool."""
        firsts = self.data.bounds[self.data.series_of(starts), 0]
        return starts - firsts >= (self.data.layout.past or self.data.layout.history)


def _prepared(signature: dict[str, Any], settings: Preprocess, ingest: Path, last: Any) -> Prepared:
    summary = read_document(ingest / "summary.json")
    for role in ("targets", "inputs"):
        if list(summary[role]) != signature[role]:
            raise incomparable_error(
                f"the champion's {role} are {signature[role]}, those of the data {list(summary[role])}"
            )
    table, ids, lengths = read_series(ingest, summary)
    bounds = bounds_of(lengths)
    known = known_ahead(table, summary, settings, anchor_of(signature))
    channels = [*signature["targets"], *signature["inputs"]]
    values = np.column_stack([table[channels].to_numpy(), shifted(known.to_numpy(), bounds, signature["horizon"])])
    times = pd.Index(table["ds"])
    later = np.unique(times.to_numpy()[times > last])
    cut = reached(times.to_numpy(), bounds, later[:1])[:, 0] if len(later) else bounds[:, 1]
    parts = np.column_stack([bounds[:, 0], cut, cut, cut, cut, bounds[:, 1]]).reshape(-1, 3, 2)
    layout = Layout(
        **{name: signature[name] for name in ("targets", "inputs", "frequency", "history", "horizon")},
        known=list(known.columns),
        stride=settings.stride,
        scale="none",
        normalise="none",
        residual=False,
        mean=[0.0] * values.shape[1],
        deviation=[1.0] * values.shape[1],
        past=signature.get("past"),
    )
    filled = table["filled"].to_numpy()
    return Prepared(ids, times, values.astype(np.float32), filled, bounds, parts, layout)
