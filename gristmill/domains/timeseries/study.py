"""What the training part shows before anything is forecast: its season and its patterns."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.decomposition import find_patterns, notes
from gristmill.domains.timeseries.seasonality import find_season
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.util.table_io import write_document, write_table


def with_season(settings: Evaluate, data: Prepared) -> Evaluate:
    """Return settings with the season that the training part shows, where none is set and there is one."""
    return settings.model_copy(update={"season": settings.season or find_season(_studied(data)[1])})


def write_patterns(data: Prepared, season: int | None, out: Path) -> None:
    """Write `patterns.json` and `decomposition.parquet` of the longest training part's first target."""
    position, values = _studied(data)
    found = find_patterns(values, season)
    begin, end = data.part("train")[position]
    about = {"series": data.ids[position], "autocorrelations": found.autocorrelation.tolist()}
    write_document(out / "patterns.json", notes(found) | about)
    parts = {"trend": found.trend, "season": found.seasonal, "remainder": found.remainder}
    write_table(out / "decomposition.parquet", pd.DataFrame({"ds": data.times[begin + found.begin : end]} | parts))


def _studied(data: Prepared) -> tuple[int, npt.NDArray[np.float64]]:
    """Return which series has the longest training part, and the values of its first target there."""
    position = int(np.diff(data.part("train")).argmax())
    begin, end = data.part("train")[position]
    return position, data.values[begin:end, 0].astype(np.float64)
