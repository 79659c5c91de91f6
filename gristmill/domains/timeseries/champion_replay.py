"""A served model shown series as they were at any time since: what it would have forecast then."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.dataset import Layout, Prepared
from gristmill.domains.timeseries.forecasts import Array, levels_of
from gristmill.domains.timeseries.predict import anchor_of
from gristmill.domains.timeseries.preprocess import known_ahead, shifted
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.domains.timeseries.split import reached
from gristmill.domains.timeseries.windows import Origins
from gristmill.export import bundle
from gristmill.runs.retraining_record import incomparable_error
from gristmill.util.table_io import read_document, read_table


class Served:
    """An exported model beside ingested series, which may go on after those it was trained on."""

    def __init__(self, export: Path, settings: Preprocess, ingest: Path, last: Any) -> None:
        """Lay out the series as the model sees them.

        Args:
            export: folder of its verified bundle.
            settings: what it was shown of the calendar.
            ingest: folder of the ingested series.
            last: the last time that the model was trained on; what comes after it is the test part of `data`.

        Raises:
            RequestError: the series have other columns than the model takes.
        """
        self._signature = read_document(export / "signature.json")
        self._predict = bundle.load(export, self._signature["formats"][0])
        self.data = self._laid_out(settings, ingest, last)

    def forecast(self, starts: Origins) -> Array:
        """Return the forecasts from some origins: (windows, horizon, targets)."""
        shape = (len(starts), self._signature["horizon"], len(self._signature["targets"]))
        if not len(starts):
            return np.empty(shape)
        return levels_of(self._predict(self.data.histories(starts)), self._signature["quantiles"])[0].astype(np.float64)

    def sees(self, starts: Origins) -> Any:
        """Return which origins have as much history as the model sees: (windows,) of bool."""
        firsts = self.data.bounds[self.data.series_of(starts), 0]
        return starts - firsts >= self._signature["history"]

    def _laid_out(self, settings: Preprocess, ingest: Path, last: Any) -> Prepared:
        signature = self._signature
        table, summary = read_table(ingest / "series.parquet"), read_document(ingest / "summary.json")
        _refuse_other_columns(signature, summary)
        lengths = table.groupby("unique_id", sort=False).size()
        ends = np.cumsum(np.asarray(lengths, np.int64))
        bounds = np.column_stack([ends - np.asarray(lengths), ends])
        known = known_ahead(table, summary, settings, anchor_of(signature))
        channels = [*signature["targets"], *signature["inputs"]]
        values = np.column_stack([table[channels].to_numpy(), shifted(known.to_numpy(), bounds, signature["horizon"])])
        times = pd.Index(table["ds"])
        later = np.unique(times.to_numpy()[times > last])
        cut = reached(times.to_numpy(), bounds, later[:1])[:, 0] if len(later) else bounds[:, 1]
        nothing = np.column_stack([cut, cut])
        parts = np.stack([np.column_stack([bounds[:, 0], cut]), nothing, np.column_stack([cut, bounds[:, 1]])], axis=1)
        columns = values.shape[1]
        layout = Layout(
            targets=signature["targets"],
            inputs=signature["inputs"],
            known=list(known.columns),
            frequency=signature["frequency"],
            history=signature["history"],
            horizon=signature["horizon"],
            stride=settings.stride,
            scale="none",
            normalise="none",
            residual=False,
            mean=[0.0] * columns,
            deviation=[1.0] * columns,
        )
        filled = table["filled"].to_numpy()
        return Prepared(lengths.index.tolist(), times, values.astype(np.float32), filled, bounds, parts, layout)


def _refuse_other_columns(signature: dict[str, Any], summary: dict[str, Any]) -> None:
    for role in ("targets", "inputs"):
        if list(summary[role]) != signature[role]:
            raise incomparable_error(
                f"the champion's {role} are {signature[role]}, those of the data {list(summary[role])}"
            )
