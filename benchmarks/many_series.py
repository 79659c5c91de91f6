"""Measure one run on 100,000 short series, from a Parquet file to the report, that selects among five candidates.

    benchmarks/many_series.py [--series 100000] [--peer] [--write]

The series are generated. Each has 60 months with its own level, trend, season and noise, and every fourth has a shift
of level. `gristmill run` processes them in a new project with a new store. Seconds and peak memory of the run are
those of all its processes. Those of a stage are from its manifest: its peak is that of the process up to the end of
the stage.

`--peer` compares three models of gristmill and statsforecast on the last year of 10,000 series. statsforecast runs in
its own environment, which is created here, on both cores. Each of its models is timed after a first call that compiles
it. gristmill's seconds are those of the stage train: two forecasts of all series, and a saved network.
"""

import json
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import Ran, arguments, process, run, table, tell

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
MODELS = {"seasonal_naive": "SeasonalNaive", "ets": "AutoETS", "theta": "AutoTheta"}  # by gristmill's name
PEER_PACKAGES = ("statsforecast==2.1.*", "pandas<3", "pyarrow")
PEER = f"""
import json, sys, time
from importlib.metadata import version

import numpy as np
import pandas as pd
from statsforecast import StatsForecast, models

frame = pd.read_parquet(sys.argv[1]).set_axis(["unique_id", "ds", "y"], axis=1)
values = frame["y"].to_numpy().reshape(-1, {MONTHS})
past, truth = values[:, :-{SEASON}], values[:, -{SEASON}:]
unit = np.abs(past[:, {SEASON}:] - past[:, :-{SEASON}]).mean(axis=1)
known = frame[np.arange(len(frame)) % {MONTHS} < past.shape[1]]
found = {{}}
for name, model in {MODELS}.items():
    chosen = getattr(models, model)(season_length={SEASON}, alias="made")
    forecaster = StatsForecast([chosen], freq="MS", n_jobs=2)
    forecaster.forecast(df=known.head(10 * past.shape[1]), h={SEASON})
    began = time.perf_counter()
    made = forecaster.forecast(df=known, h={SEASON})["made"].to_numpy().reshape(truth.shape)
    seconds = time.perf_counter() - began
    found[name] = {{"seconds": seconds, "mase": float((np.abs(made - truth).mean(axis=1) / unit).mean())}}
print(json.dumps({{"version": version("statsforecast"), "models": found}}))
"""


def write_series(path: Path, count: int) -> None:
    """Write series of different sizes, sorted by name."""
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


def measured(path: Path, count: int, *assignments: str) -> Ran:
    """Run the pipeline on a number of series in a new folder."""
    path.mkdir()
    write_series(path / "series.parquet", count)
    (path / "pipelines.toml").write_text(PIPELINE)
    return run("many", path / "store", *assignments, folder=path)


def stages(below: Path, count: int) -> list[str]:
    """Return the table of the stages of one run."""
    done = measured(below / "project", count)
    rows = [[stage, f"{core['seconds']:.1f}", f"{core['peak_memory_mib']:,.0f}"] for stage, core in done.cores.items()]
    whole = f"whole run of {count:,} series, MASE {done.score('mase'):.4f}"
    rows.append([whole, f"{done.process.seconds:.1f}", f"{done.process.peak:,.0f}"])
    return table(["stage", "s", "peak MiB"], rows)


def compare_with_statsforecast(below: Path, count: int) -> list[str]:
    """Return the table of the models that both gristmill and statsforecast have."""
    names = ", ".join(f'"{name}"' for name in MODELS)
    done = measured(below / "project", count, f"model.candidates=[{names}]")
    made = statsforecast(below, below / "project/series.parquet")
    tested = done.record["scores"]["baselines"] | done.record["scores"]["candidates"]
    rows = []
    for name, theirs in made["models"].items():
        ours = f"{done.cores[f'train {name}']['seconds']:.1f}", f"{tested[name]['test']['mase']:.4f}"
        rows.append([f"`{name}`, `{MODELS[name]}`", *ours, f"{theirs['seconds']:.1f}", f"{theirs['mase']:.4f}"])
    rows.append(
        ["whole process", f"{done.process.seconds:.1f}", f"{done.score('mase'):.4f}", f"{made['whole']:.1f}", ""]
    )
    return [
        *table(["model", "gristmill s", "MASE", f"statsforecast {made['version']} s", "MASE"], rows),
        "",
        f"{count:,} series. The whole process of gristmill includes selection, scores, intervals, export and report; "
        "its MASE is that of the selected model. The whole process of statsforecast includes compilation.",
    ]


def statsforecast(below: Path, series: Path) -> dict[str, Any]:
    """Install statsforecast in its own environment; return the seconds and scores of its models."""
    venv.create(below / "peer", with_pip=True)
    python = str(below / "peer/bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True)
    (below / "peer.py").write_text(PEER)
    done = process([python, str(below / "peer.py"), str(series)])
    return {"whole": done.seconds} | json.loads(done.printed)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--series", type=int, help="number of series; default: 100,000, or 10,000 with --peer")
    parser.add_argument("--peer", action="store_true", help="compare with statsforecast")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as below:
        if asked.peer:
            lines = compare_with_statsforecast(Path(below), asked.series or 10_000)
            tell("Comparison with statsforecast", lines, asked.write)
        else:
            tell("Many series", stages(Path(below), asked.series or 100_000), asked.write)


if __name__ == "__main__":
    main()
