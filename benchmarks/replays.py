"""Replays of series that arrive in parts, to compare ways to handle new data.

Each replay gives one arrival after the other to the retraining flow. After each arrival, it scores forecasts of the
next one by the first model (never), by the selected candidates fitted to all data (always), by the champion (gated),
and by each candidate fitted to all data. `DailyReplay` compares the champion with seasonal naive forecasts only.
"""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import ROOT
from prefect import flow

from gristmill.config.candidates import Candidate, candidates_of
from gristmill.config.catalogue import restore_settings
from gristmill.domains.common.candidates import read_selection
from gristmill.domains.common.ensemble_weights import weighted_average
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, by_network
from gristmill.domains.timeseries.ingest import ingest as write_ingested
from gristmill.domains.timeseries.preprocess import preprocess
from gristmill.domains.timeseries.retraining import ChampionReplay
from gristmill.domains.timeseries.train import fit_forecaster
from gristmill.errors import ArrivalSetAside, Unsuitable
from gristmill.project.project import Project
from gristmill.registry.registry import Registry
from gristmill.sources.tables.csv import Csv

NAME = "replay"
FILE = "series.csv"
CANDIDATES = ("naive", "seasonal_naive", "drift", "moving_average", "autoregression", "ets", "theta", "ridge")
SHIFT = 3.0  # of the level, or trough to crest of a season; in standard deviations before the first arrival
TIMES = 5  # random times of each kind of shift
EARLIEST, LATEST = 0.1, 0.6  # share of the arrivals before a shift
AFTER = 10  # maximum number of arrivals from a shift on

Shift = Callable[[Array, Array, Array, int], Array]


@dataclass(frozen=True)
class Arrivals:
    """Data set and its division into arrivals."""

    name: str
    read: Callable[[], pd.DataFrame]  # columns series, time and value
    first: int  # times before the first arrival
    size: int  # times in an arrival
    count: int
    season: int
    horizon: int
    history: int
    window: int  # number of arrivals that a challenger is judged on
    extra: str = ""  # more lines of the table preprocess
    candidates: Sequence[str] = CANDIDATES

    @cached_property
    def table(self) -> pd.DataFrame:
        """Values by time, one column for each series."""
        table = self.read().pivot(index="time", columns="series", values="value")
        return table.iloc[: self.first + (self.count + 1) * self.size]

    @property
    def deviation(self) -> "pd.Series[float]":
        """Standard deviation of each series before the first arrival."""
        return self.table.head(self.first).std()

    def pipeline(self) -> str:
        """Return a pipeline with candidates other than networks, and few settings."""
        judged = self.window * self.size
        return f"""
[pipelines.{NAME}]
domain = "timeseries"
source = {{ kind = "csv", path = "{FILE}" }}
ingest = {{ time = "time", series = "series", target = "value", gaps = "drop" }}
model = {{ kind = "auto", preset = "none", candidates = {json.dumps(self.candidates)} }}
evaluate = {{ baselines = ["naive"] }}
export = {{ formats = ["keras"] }}
gate = {{ window = {judged} }}

[pipelines.{NAME}.preprocess]
season = {self.season}
history = {self.history}
horizon = {self.horizon}
validation = {judged}
{self.extra}
"""


def _sunspots() -> pd.DataFrame:
    table = pd.read_csv(ROOT / "data/samples/sunspots.csv").set_axis(["time", "value"], axis=1)
    return table.assign(series="sunspots")


def _temperatures() -> pd.DataFrame:
    folders = map(Path, os.environ.get("GRISTMILL_DATA", ".").split(os.pathsep))
    place = next(path for folder in folders if (path := folder / "daily-min-temperatures.csv").exists())
    return pd.read_csv(place).set_axis(["time", "value"], axis=1).assign(series="temperatures")


def _m3() -> pd.DataFrame:
    """Return the training parts of the first 200 monthly series that have at least 120 values there."""
    table = pd.read_csv(ROOT / "benchmarks/competitions/data/m3_monthly.csv")
    ahead = table.groupby("series").cumcount(ascending=False)
    training = table[ahead >= 18]
    long = training.groupby("series")["value"].transform("size") >= 120
    names = training.loc[long, "series"].unique()[:200]
    return training[training["series"].isin(names)].groupby("series").head(120)


SERIES = {
    one.name: one
    for one in (
        Arrivals("sunspots", _sunspots, 600, 24, 24, season=12, horizon=12, history=36, window=3),
        Arrivals(
            "temperatures",
            _temperatures,
            1000,
            30,
            24,
            season=365,
            horizon=7,
            history=28,
            window=3,
            extra='harmonics = [{ period = "year", pairs = 2 }]',
        ),
        Arrivals("m3", _m3, 54, 6, 10, season=12, horizon=6, history=24, window=2),
    )
}


def _daily(seed: int) -> pd.DataFrame:
    """Return daily values with a weekly season and independent noise."""
    random = np.random.default_rng(seed)
    times = pd.date_range("2024-01-01", periods=400 + 16 * 14)
    week, noise = random.normal(0, 10, 7), random.normal(0, 3, len(times))
    values = 100 + np.resize(week, len(times)) + noise
    return pd.DataFrame({"time": times, "value": values, "series": "daily"})


def _daily_arrivals(name: str, seed: int) -> Arrivals:
    candidates = ("seasonal_naive", "autoregression", "ets")
    return Arrivals(name, partial(_daily, seed), 400, 14, 15, 7, 7, 28, window=2, candidates=candidates)


DAILY = {f"daily-{seed:02}": seed for seed in range(20)}  # seeds whose results are published
DEVELOPMENT = {f"development-{seed}": seed for seed in range(20, 40)}  # seeds to compare designs with
DATA = SERIES | {name: _daily_arrivals(name, seed) for name, seed in (DAILY | DEVELOPMENT).items()}


def _level(values: Array, usual: Array, deviation: Array, season: int) -> Array:
    return values + SHIFT * deviation


def _variance(values: Array, usual: Array, deviation: Array, season: int) -> Array:
    return np.asarray(usual + math.sqrt(3) * (values - usual))


def _season(values: Array, usual: Array, deviation: Array, season: int) -> Array:
    wave = (1 - np.cos(2 * np.pi * np.arange(len(values)) / season)) / 2
    return values + SHIFT * deviation * wave[:, np.newaxis]


SHIFTS: dict[str, Shift] = {"level": _level, "variance": _variance, "season": _season}


@dataclass(frozen=True)
class Setting:
    """Setting of one replay: a data set, unchanged or with a shift at an arrival."""

    data: str
    kind: str = "unchanged"
    at: int = 0  # arrival with the shift, counted from 1

    def __str__(self) -> str:
        return f"{self.data}-{self.kind}-{self.at}"

    def table(self) -> pd.DataFrame:
        """Return the values with the shift."""
        data = DATA[self.data]
        table = data.table
        if self.kind == "unchanged":
            return table
        cut = data.first + (self.at - 1) * data.size
        usual = table.rolling(data.season, center=True, min_periods=1).mean()
        changed = table.copy()
        values, middle = (each.iloc[cut:].to_numpy() for each in (table, usual))
        changed.iloc[cut:] = SHIFTS[self.kind](values, middle, np.asarray(data.deviation, np.float64), data.season)
        return changed.clip(lower=table.min().clip(upper=0), axis=1)  # series without negative values stay so


def settings() -> Iterator[Setting]:
    """Yield every setting; the times of the shifts are random, but the same for each kind of shift."""
    for number, data in enumerate(SERIES.values()):
        yield Setting(data.name)
        possible = np.arange(max(2, round(EARLIEST * data.count)), round(LATEST * data.count) + 1)
        times = np.random.default_rng(number).choice(possible, size=TIMES, replace=False)
        for kind in SHIFTS:
            yield from (Setting(data.name, kind, int(at)) for at in sorted(times))


def daily_settings(names: Iterable[str]) -> Iterator[Setting]:
    """Yield generated daily series, each with one shift of the level in the middle of its arrivals."""
    yield from (Setting(name, "level", at=8) for name in names)


@dataclass
class Outcome:
    """Results after each arrival."""

    verdicts: list[str] = field(default_factory=list)
    recoveries: list[int] = field(default_factory=list)  # arrivals with a promotion by recovery
    alarms: list[int] = field(default_factory=list)  # arrivals that raised an alarm
    set_aside: list[int] = field(default_factory=list)  # arrivals that broke a rule, and were accepted
    errors: dict[str, list[float]] = field(default_factory=dict)  # by way or candidate, on the next arrival


class Replay:
    """Project that gets one arrival after the other."""

    def __init__(self, setting: Setting, folder: Path) -> None:
        """Start in a folder, which may hold the store of another replay with the same first arrivals."""
        self.setting, self.data, self.table, self.folder = setting, DATA[setting.data], setting.table(), folder
        self.outcome = Outcome()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pipelines.toml").write_text(self.data.pipeline())
        os.environ["GRISTMILL_STORE"] = str(folder / "store")

    def begin(self) -> None:
        """Train the first model as a retraining would, and promote it even if a baseline is better."""
        self._write(self.data.first)
        project = Project.open(self.folder, {NAME: self._overrides})
        project.run(NAME)
        project.promote(NAME)

    def arrive(self, arrival: int) -> None:
        """Add the next arrival, retrain, and score the champion on the arrival after it."""
        from gristmill.flows.retrain import retrain

        rows = self.data.first + arrival * self.data.size
        self._write(rows)
        try:
            done = retrain(NAME, [], str(self.folder))["retraining"]
        except ArrivalSetAside:  # the data is right
            self.outcome.set_aside.append(arrival)
            done = retrain(NAME, [], str(self.folder), accept=True)["retraining"]
        self.outcome.verdicts.append(done["verdict"])
        if done["verdict"] == "promoted" and "after an alarm" in done["judgement"]["why"]:
            self.outcome.recoveries.append(arrival)
        if _alarmed(done["drift"]):
            self.outcome.alarms.append(arrival)
        errors = self._errors(rows)
        for name in errors.keys() | self.outcome.errors.keys():
            before = self.outcome.errors.setdefault(name, [float("nan")] * (arrival - 1))
            before.append(errors.get(name, float("nan")))  # candidates that were not fitted

    @property
    def last(self) -> int:
        """Last arrival of the replay, counted from 1."""
        return min(self.data.count, self.setting.at + AFTER - 1) if self.setting.at else self.data.count

    @property
    def _overrides(self) -> list[str]:
        return [f"preprocess.test={self.data.window * self.data.size}", "export.refit=true"]

    def _write(self, rows: int, file: Path | None = None) -> None:
        long = self.table.head(rows).melt(ignore_index=False, var_name="series").reset_index()
        long.to_csv(file or self.folder / FILE, index=False)

    def _errors(self, rows: int) -> dict[str, float]:
        """Return the mean absolute error of each way on the next arrival, in standard deviations of the series."""
        project = Project.open(self.folder)
        tables: Any = project.catalogue.pipeline(NAME).tables
        with tempfile.TemporaryDirectory() as name:
            ahead, out = Path(name, FILE), Path(name, "ingest")
            self._write(rows + self.data.size, ahead)
            out.mkdir()
            write_ingested(source=Csv(kind="csv", path=FILE), ingest=tables["ingest"], paths=(ahead,), out=out)
            data = self._prepared(tables, out)
            forecasts = self._forecasts(project, out, data, self.table.index[rows - 1])
            starts = data.origins("test")
            units = self.data.deviation[data.ids].to_numpy()[data.series_of(starts), np.newaxis, np.newaxis]
            truth = data.targets(starts)
            return {way: float(np.abs((made - truth) / units).mean()) for way, made in forecasts.items()}

    def _forecasts(self, project: Project, ingested: Path, data: Prepared, last: Any) -> dict[str, Array]:
        """Return the forecasts of the next arrival by each way and candidate; `last` is the last time before it."""
        tables = project.catalogue.pipeline(NAME).tables
        forecasts = self._served(project, ingested, last)
        weights = selected_anew(str(self.folder), self._overrides)
        # All candidates are compared after shifts of the level only.
        names = CANDIDATES if self.setting.kind == "level" else [*weights]
        with tempfile.TemporaryDirectory() as folder:
            forecasts |= dict(self._fitted(tables, data, names, Path(folder)))
        return forecasts | {"always": weighted_average(forecasts, weights)}

    def _served(self, project: Project, ingested: Path, last: Any) -> dict[str, Array]:
        """Return the forecasts of the next arrival by the first version and by the champion."""
        registry, store = Registry(project.catalogue.store), project.catalogue.store
        first, found = registry.version(NAME, 1), {}
        for way, version in (("never", first), ("gated", registry.champion(NAME) or first)):
            read: Any = restore_settings("timeseries", version.settings)["preprocess"]
            served = ChampionReplay(
                store.open_verified(version.references["export"]).path, read, ingested, pd.Timestamp(last)
            )
            found[way] = served.forecast(served.data.origins("test"))
        return found

    def _prepared(self, tables: Any, ingested: Path) -> Prepared:
        """Return the series with the next arrival as test set and all earlier data as training set."""
        cut = tables["preprocess"].model_copy(update={"test": self.data.size, "validation": self.data.size})
        with tempfile.TemporaryDirectory() as out:
            preprocess(preprocess=cut, ingest=ingested, out=Path(out))
            data = dataset.read(Path(out))
        parts = data.parts.copy()
        parts[:, 0, 1] = parts[:, 1, 0] = parts[:, 1, 1] = parts[:, 2, 0]
        return replace(data, parts=parts)

    def _fitted(self, tables: Any, data: Prepared, names: Sequence[str], folder: Path) -> Iterator[tuple[str, Array]]:
        """Yield the forecasts of some candidates, fitted to all data before the next arrival."""
        for one in candidates_of("timeseries", tables):
            if one.name not in names:
                continue
            try:
                network = _fit(one, data, folder)
            except Unsuitable:
                continue
            own = data.seen_by(network)
            yield one.name, by_network(network, own, own.origins("test"))


class DailyReplay(Replay):
    """Replay of a generated daily series, which compares the champion with seasonal naive forecasts."""

    @property
    def last(self) -> int:
        """The last arrival, counted from 1."""
        return self.data.count

    def _forecasts(self, project: Project, ingested: Path, data: Prepared, last: Any) -> dict[str, Array]:
        """Return the forecasts by the first model and the champion, and the values of a season before."""
        served, starts = self._served(project, ingested, last), data.origins("test")
        return served | {"seasonal_naive": data.targets(starts - self.data.season)}


def _fit(candidate: Candidate, data: Prepared, folder: Path) -> Any:
    tables: Any = candidate.tables
    return fit_forecaster(tables["model"], tables["train"], data, folder / "scratch", folder / "logs", lambda _: None)[
        0
    ]


def _alarmed(drift: dict[str, Any] | None) -> bool:
    """Return whether a retraining raised an alarm."""
    return drift is not None and any(
        sign["alarm"] for sign in (drift["errors"], *drift["inputs"], drift["baseline"]) if sign
    )


@flow(persist_result=False)
def selected_anew(folder: str, overrides: list[str]) -> dict[str, float]:
    """Return the weights of the members that a challenger trained now would have."""
    from gristmill.tasks.run import recorded_run
    from gristmill.tasks.stage_tasks import ingest, run_up_to

    with recorded_run(NAME, overrides, None, folder, trial=True) as run:
        run_up_to("select", run, ingest(run))
        found = read_selection(run.catalogue.store.open_verified(run.record().references["select"]).path) or {}
    return {member["name"]: member["weight"] for member in found["members"]}


def replay(setting: Setting, folder: Path) -> Outcome:
    """Return the outcome of a setting; arrivals before the shift come from the unchanged replay in the folder.

    The unchanged replay must run first. It leaves a copy of its state after each arrival. A daily series has its shift
    from the beginning.
    """
    is_daily = setting.data in DAILY | DEVELOPMENT
    fed, begun = (DailyReplay if is_daily else Replay)(setting, folder / str(setting)), 0
    if is_daily or setting.kind == "unchanged":
        fed.begin()
    else:
        begun = setting.at - 1
        before = folder / f"{setting.data}-after-{begun}"
        shutil.copytree(before / "store", fed.folder / "store", dirs_exist_ok=True)
        fed.outcome = Outcome(**json.loads((before / "outcome.json").read_text()))
        _rescore_last(fed, begun)
    for arrival in range(begun + 1, fed.last + 1):
        if setting.kind == "unchanged" and arrival > 1:
            _keep(fed, folder / f"{setting.data}-after-{arrival - 1}")
        fed.arrive(arrival)
    shutil.rmtree(fed.folder)
    return fed.outcome


def _keep(fed: Replay, place: Path) -> None:
    """Copy the state of a replay."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(fed.folder / "store", place / "store")
    (place / "outcome.json").write_text(json.dumps(asdict(fed.outcome)))


def _rescore_last(fed: Replay, arrival: int) -> None:
    """Score the forecasts of the first shifted arrival, which were made before the shift, again."""
    rows = fed.data.first + arrival * fed.data.size
    fed._write(rows)
    for name, error in fed._errors(rows).items():
        fed.outcome.errors.setdefault(name, [float("nan")] * arrival)[-1] = error
