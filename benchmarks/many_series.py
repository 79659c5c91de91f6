"""A hundred thousand short series, from a Parquet file to the report, by one run that selects among six candidates.

    benchmarks/many_series.py [--series 100000] [--write]

Series are generated: 60 months each with level, trend, season and noise of their own, and a shift of level in every
fourth. `gristmill run` takes them in a project and a store of its own. Seconds and peak are of the whole process and
its tree. Those of a stage are of its core, as the manifests have them: its peak is that of the process by its end.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import Ran, arguments, run, table, tell

MONTHS = 60
SEASON = 12
SERIES_PER_BLOCK = 50_000  # bounds the memory of the generator
PIPELINE = """
[pipelines.many]
domain = "timeseries"
source = { kind = "parquet", path = "series.parquet" }
ingest = { time = "month", target = "value", series = "name" }
preprocess = { history = 24, horizon = 12, validation = 12, test = 12, season = 12 }
model = { kind = "auto", preset = "none", candidates = ["seasonal_naive", "ets", "theta", "ridge", "boosted_trees"] }
evaluate = { baselines = ["naive", "seasonal_naive"] }
"""


def write_series(path: Path, count: int) -> None:
    """Write series of all sizes, name by name."""
    random, steps = np.random.default_rng(0), np.arange(MONTHS)
    months = pd.date_range("2019-01-01", periods=MONTHS, freq="MS")
    writer = None
    for begin in range(0, count, SERIES_PER_BLOCK):
        number = np.arange(begin, min(begin + SERIES_PER_BLOCK, count))[:, np.newaxis]
        size = np.exp(random.normal(5, 1.5, number.shape))
        slope, swing, phase, noise, shift, at = random.uniform(size=(6, *number.shape))
        shape = 1 + (slope - 0.3) * steps / MONTHS + 0.4 * swing * np.sin(2 * np.pi * (steps / SEASON + phase))
        shape += (number % 4 == 0) * (shift - 0.3) * (steps > at * MONTHS)
        values = size * np.maximum(shape * np.exp(0.2 * noise * random.normal(size=shape.shape)), 0.01)
        names = np.char.add("s", np.char.zfill(number.astype(str), 7))
        columns = {"name": names.repeat(MONTHS), "month": np.tile(months, len(number)), "value": values.ravel()}
        rows = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, rows.schema)
        writer.write_table(rows)
    if writer:
        writer.close()


def measured(count: int) -> Ran:
    """Run the pipeline on so many series."""
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below)
        write_series(folder / "series.parquet", count)
        (folder / "pipelines.toml").write_text(PIPELINE)
        return run("many", folder / "store", folder=folder)


def rows(count: int) -> list[list[str]]:
    """Return a row of the table for each stage, and one for the whole process."""
    done = measured(count)
    told = [[stage, f"{core['seconds']:.1f}", f"{core['peak_memory_mib']:,.0f}"] for stage, core in done.cores.items()]
    whole = [f"{done.process.seconds:.1f}", f"{done.process.peak:,.0f}"]
    return [*told, [f"whole run of {count:,} series, MASE {done.score('mase'):.4f}", *whole]]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--series", type=int, default=100_000)
    options = parser.parse_args()
    tell("Many series", table(["stage", "s", "peak MiB"], rows(options.series)), options.write)


if __name__ == "__main__":
    main()
