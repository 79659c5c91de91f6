"""Two real series fed arrival by arrival to the real retrain flow, and once more with a shift of their level.

    benchmarks/retraining.py [sunspots] [temperatures] [--arrivals 60]

Three ways to live with new data are compared by their mean absolute error one step ahead on each next arrival: the
first model for ever, a model trained on everything at every other arrival, and what the gate of `gristmill retrain`
promotes. All see the same recipe, a linear model in closed form, so that it ends in minutes. GRISTMILL_DATA names the
folder of the temperatures. The intervals are moving-block bootstraps over the arrivals' errors.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")

import numpy as np
import pandas as pd

from gristmill.config.catalogue import restore_settings
from gristmill.prefect_runtime.server import ensure_api
from gristmill.project.project import Project
from gristmill.registry.registry import Registry
from gristmill.runs.retraining_record import CONFIDENCE_LEVEL
from gristmill.sources.tables.csv import Csv
from gristmill.training.keras_backend import import_keras
from gristmill.util.block_bootstrap import confidence_interval

ROOT = Path(__file__).parent.parent
SHIFTED = 30  # the arrival from which on the level is another
SHIFT = 3.0  # in deviations of the data before the first arrival


@dataclass(frozen=True)
class Series:
    """A series and how it arrives."""

    file: Path
    time: str
    target: str
    first: int  # rows before the first arrival
    arrival: int  # rows each
    season: int
    extra: str = ""  # lines of the table preprocess

    def pipeline(self) -> str:
        """Return the pipeline that forecasts it: judged on three arrivals, after every other one."""
        return f"""
[pipelines.replay]
domain = "timeseries"
source = {{ kind = "csv", path = "series.csv" }}
ingest = {{ time = "{self.time}", target = "{self.target}", gaps = "drop" }}
model = {{ kind = "linear" }}
evaluate = {{ baselines = ["naive", "drift", "moving_average", {{ kind = "autoregression", order = 11 }}] }}
export = {{ formats = ["keras"] }}
gate = {{ window = {3 * self.arrival} }}
schedule = {{ min_new = {2 * self.arrival} }}

[pipelines.replay.preprocess]
season = {self.season}
history = 36
validation = {3 * self.arrival}
{self.extra}
"""


SERIES = {
    "sunspots": Series(ROOT / "data/samples/sunspots.csv", "month", "sunspots", 600, 24, 132),
    "temperatures": Series(
        Path(os.environ.get("GRISTMILL_DATA", ".").split(":")[0]) / "daily-min-temperatures.csv",
        "Date",
        "Temp",
        1000,
        30,
        365,
        'harmonics = [{ period = "year", pairs = 2 }]',
    ),
}


@dataclass
class Told:
    """What came of a replay."""

    errors: dict[str, list[float]] = field(default_factory=lambda: {"never": [], "always": [], "gated": []})
    verdicts: Counter[str] = field(default_factory=Counter)
    alarms: list[int] = field(default_factory=list)  # arrivals that raised one, from 0


def replay(series: Series, arrivals: int, shifted: bool) -> Told:
    """Feed a series arrival by arrival."""
    from flows.retrain import retrain

    frame, told = pd.read_csv(series.file), Told()
    if shifted:
        late = np.arange(len(frame)) >= series.first + SHIFTED * series.arrival
        frame.loc[late, series.target] += SHIFT * frame[series.target].head(series.first).std()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pipelines.toml").write_text(series.pipeline())
        os.environ["GRISTMILL_STORE"] = str(folder / "store")
        always: Any = None
        for arrival in range(arrivals + 1):
            rows = series.first + arrival * series.arrival
            if arrival:
                ahead = frame.head(rows)
                for way, error in errors(folder, ahead, series, always).items():
                    told.errors[way].append(error)
            frame.head(rows).to_csv(folder / "series.csv", index=False)
            if arrival == 0:
                serve_first_model(folder, series)
            else:
                done = retrain("replay", [], str(folder))["retraining"]
                told.verdicts[done["verdict"]] += 1
                if drifting(done["drift"]):
                    told.alarms.append(arrival - 1)
            if arrival % 2 == 0:
                always = trained_on_everything(folder)
    return told


def serve_first_model(folder: Path, series: Series) -> None:
    """Promote a first model by the recipe of a retraining, whatever the baselines do."""
    project = Project.open(folder, {"replay": [f"preprocess.test={3 * series.arrival}", "export.refit=true"]})
    project.run("replay")
    project.promote("replay")


def drifting(drift: dict[str, Any] | None) -> bool:
    """Whether a retraining raised an alarm."""
    return drift is not None and any(
        sign["alarm"] for sign in (drift["errors"], *drift["inputs"], drift["baseline"]) if sign
    )


def errors(folder: Path, frame: pd.DataFrame, series: Series, always: Any) -> dict[str, float]:
    """Return the mean absolute error on the last arrival by each way."""
    from gristmill.domains.timeseries.champion_replay import ChampionReplay
    from gristmill.domains.timeseries.ingest import ingest

    project = Project.open(folder)
    registry, store = Registry(project.catalogue.store), project.catalogue.store
    tables: Any = project.catalogue.pipeline("replay").tables
    first, champion = registry.version("replay", 1), registry.champion("replay") or registry.version("replay", 1)
    with tempfile.TemporaryDirectory() as name:
        ahead, out = Path(name, "ahead.csv"), Path(name, "ingest")
        frame.to_csv(ahead, index=False)
        out.mkdir()
        ingest(source=Csv(kind="csv", path="ahead.csv"), ingest=tables["ingest"], paths=(ahead,), out=out)
        last = pd.read_parquet(out / "series.parquet")["ds"].iloc[-series.arrival - 1]
        made = {}
        for way, version in (("never", first), ("gated", champion)):
            settings: Any = restore_settings("timeseries", version.settings)["preprocess"]
            served = ChampionReplay(store.open_verified(version.references["export"]).path, settings, out, last)
            starts = served.data.origins("test")
            made[way] = served.forecast(starts)
        made["always"] = always.predict(served.data.histories(starts), verbose=0)
        truth = served.data.targets(starts)
        return {way: float(np.abs(forecast - truth).mean()) for way, forecast in made.items()}


def trained_on_everything(folder: Path) -> Any:
    """Return the network of the pipeline's recipe trained on all there is."""
    from gristmill.domains.timeseries import dataset
    from gristmill.domains.timeseries.preprocess import preprocess
    from gristmill.domains.timeseries.refit import of_everything
    from gristmill.domains.timeseries.train_network import fit_forecaster

    project = Project.open(folder)
    tables: Any = project.catalogue.pipeline("replay").tables
    record = next(iter(project.runs.newest_first("replay")))
    ingested = project.store.open_verified(record.references["ingest"]).path
    cut = tables["preprocess"].model_copy(update={"test": tables["gate"].window})
    with tempfile.TemporaryDirectory() as name:
        preprocess(preprocess=cut, ingest=ingested, out=Path(name))
        data = of_everything(dataset.read(Path(name)))
        return fit_forecaster(
            tables["model"], tables["train"], data, Path(name, "scratch"), Path(name, "logs"), lambda epoch: None
        )[0]


def show(name: str, shifted: bool, arrivals: int, told: Told, seconds: float) -> None:
    """Print a row of the table."""
    means = {way: float(np.mean(found)) for way, found in told.errors.items()}
    better = min(("never", "always"), key=lambda way: means[way])
    interval = confidence_interval(np.subtract(told.errors["gated"], told.errors[better]), CONFIDENCE_LEVEL)
    verdicts, alarms = told.verdicts, [alarm for alarm in told.alarms if not shifted or alarm < SHIFTED]
    after = [alarm - SHIFTED + 1 for alarm in told.alarms if alarm >= SHIFTED]
    cells = [
        f"{name}, shifted" if shifted else name,
        arrivals,
        verdicts["promoted"] + verdicts["rejected"],
        verdicts["promoted"],
        verdicts["rejected"],
        len(alarms),
        (after[0] if after else "none") if shifted else "",
        *(f"{means[way]:.3f}" for way in ("never", "always", "gated")),
        f"{interval[0]:+.3f} … {interval[1]:+.3f}" if interval else "too few",
        f"{seconds:.0f}",
    ]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(SERIES))
    parser.add_argument("--arrivals", type=int, default=60)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    import_keras()
    ensure_api()
    print(
        "| series | arrivals | judged | promoted | rejected | alarms | shift alarmed at its arrival | never | always | "
        "gated | gated less the better of the two | s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name in options.names:
        for shifted in (False, True):
            began = time.perf_counter()
            told = replay(SERIES[name], options.arrivals, shifted)
            show(name, shifted, options.arrivals, told, time.perf_counter() - began)


if __name__ == "__main__":
    main()
