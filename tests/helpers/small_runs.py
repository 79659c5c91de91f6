"""What tests of time series share, as a pytest plugin: prepared series, small runs of all stages.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.data.dataset import Layout, Prepared, fit_scale, inside
from gristmill.domains.timeseries.data.split import min_past, split_all, split_each
from gristmill.domains.timeseries.settings import Backtest, Evaluate, Export, Ingest, Preprocess, Train
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.settings.base import Settings
from gristmill.sources.tables.csv import Csv
from gristmill.util.table_io import write_document, write_table
from helpers.eager import eagerly

if TYPE_CHECKING:
    import keras

    from gristmill.domains.timeseries.forecasts import Forecasts
    from gristmill.training.train_steps import Model

SAMPLE = Path(__file__).parents[2] / "data/samples/sunspots.csv"

Folders = dict[str, Path]
Prepare = Callable[..., Path]
Predict = Callable[..., pd.DataFrame]


def assembled(
    *series: Any,
    inputs: int = 0,
    known: int = 0,
    filled: Sequence[int] = (),
    starts: Sequence[int] = (),
    **settings: Any,
) -> Prepared:
    """Return monthly series prepared in memory, without the files of a stage.

    Args:
        series: each (observations,) or (observations, columns): targets, inputs, and what is known, as it is shifted.
        inputs: how many of the columns are.
        known: how many of the columns are.
        filled: positions among all observations that ingest would have filled.
        starts: months from January 2000 at which each series begins; 0 if not given.
        settings: of preprocess.
    """
    tables = [np.asarray(values, np.float64).reshape(len(values), -1) for values in series]
    cut = Preprocess(**{"history": 4, "validation": 0, "test": 1} | settings)
    names = [f"y{at}" if at else "y" for at in range(tables[0].shape[1])]
    targets = len(names) - inputs - known
    times = [months(len(table), start) for table, start in zip(tables, [*starts, *[0] * len(tables)], strict=False)]
    lengths = np.array([len(table) for table in tables])
    whole = pd.Series(np.concatenate(times))
    past = min_past(cut, known > 0)
    bounds, parts = split_each(lengths, cut, past or 1) if cut.split == "per_series" else split_all(whole, lengths, cut)
    values = np.concatenate(tables)
    mean, deviation = fit_scale(values[inside(len(values), parts[:, 0])], cut.scale)
    holes = np.zeros(len(values), bool)
    holes[list(filled)] = True
    layout = Layout(
        targets=names[:targets],
        inputs=names[targets : targets + inputs],
        known=names[targets + inputs :],
        frequency="MS",
        history=cut.history,
        horizon=cut.horizon,
        stride=cut.stride,
        scale=cut.scale,
        normalise=cut.normalise,
        residual=cut.residual,
        mean=mean,
        deviation=deviation,
        season=cut.season or None,
        past=past,
        split=cut.split,
    )
    ids = [f"series {number}" for number in range(len(tables))]
    return Prepared(ids, pd.Index(whole, name="ds"), values.astype(np.float32), holes, bounds, parts, layout)


def scored(data: Prepared, part: str, forecasts: "Forecasts") -> pd.DataFrame:
    """Return the scores of a part's forecasts, made in one block; those of the series, if there are several, last."""
    from gristmill.domains.timeseries.scores.score_table import PartScores

    scores = PartScores(data, part)
    by_series = scores.add(forecasts)
    return scores.table() if by_series is None else pd.concat([scores.table(), by_series], ignore_index=True)


def months(count: int, start: int = 0) -> pd.DatetimeIndex:
    """Return months from January 2000 plus `start` on."""
    return pd.date_range(pd.Timestamp("2000-01-01") + pd.DateOffset(months=start), periods=count, freq="MS")


def table_of(*series: Any, starts: Sequence[int] = (), filled: Sequence[int] = (), names: str = "y") -> pd.DataFrame:
    """Return the table that ingest writes of monthly series, each (observations,) or (observations, columns)."""
    frames = []
    for number, (values, start) in enumerate(zip(series, [*starts, *[0] * len(series)], strict=False)):
        columns = np.asarray(values, np.float64).reshape(len(values), -1).T
        frames.append(
            pd.DataFrame(
                {"unique_id": f"series {number}", "ds": months(len(values), start)}
                | dict(zip(names.split(), columns, strict=True))
            )
        )
    table = pd.concat(frames, ignore_index=True)
    return table.assign(filled=table.index.isin(list(filled)))


def write_ingested(
    folder: Path, table: pd.DataFrame, inputs: Sequence[str] = (), known: Sequence[str] = (), frequency: str = "MS"
) -> None:
    """Write a table as ingest does."""
    targets = [name for name in table.columns[2:-1] if name not in (*inputs, *known)]
    columns = {"targets": targets, "inputs": list(inputs), "known": list(known)}
    write_table(folder / "series.parquet", table)
    write_table(folder / "future.parquet", table[["unique_id", "ds", *known]].head(0))
    write_document(folder / "summary.json", columns | {"frequency": frequency})


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Return a function from values, or a table of ingest, and settings to the folder of prepared series."""
    from gristmill.domains.timeseries.preprocess import preprocess

    def call(
        values: Any, name: str = "prepared", inputs: Sequence[str] = (), known: Sequence[str] = (), **settings: Any
    ) -> Path:
        ingested, out = tmp_path / f"{name}.ingested", tmp_path / name
        ingested.mkdir()
        out.mkdir()
        table = values if isinstance(values, pd.DataFrame) else table_of(values)
        write_ingested(ingested, table, inputs, known)
        preprocess(preprocess=Preprocess(**settings), ingest=ingested, out=out)
        return out

    return call


@pytest.fixture(scope="session")
def source() -> Csv:
    """How the small runs read their file."""
    return Csv(kind="csv", path="series.csv")


@pytest.fixture(scope="session")
def meaning() -> Ingest:
    """What the columns of the small runs' file mean."""
    return MEANING


@pytest.fixture(scope="session")
def series_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 months of real sunspots, 1749-01 to 1765-08."""
    path = tmp_path_factory.mktemp("source") / "series.csv"
    path.write_text("\n".join(SAMPLE.read_text().splitlines()[:201]) + "\n")
    return path


@pytest.fixture(scope="session")
def solved(tmp_path_factory: pytest.TempPathFactory, source: Csv, meaning: Ingest, series_file: Path) -> Folders:
    """The folders of a run up to evaluate: history 12, horizon 2, a linear model in closed form."""
    from gristmill.domains.timeseries.models.linear import Linear

    root = tmp_path_factory.mktemp("solved")
    return run_stages(root, source, meaning, series_file, CUT, Linear(kind="linear"), Train())


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, source: Csv, meaning: Ingest, series_file: Path) -> Folders:
    """The folders of a run up to evaluate: history 12, horizon 2, a small network in three epochs."""
    from gristmill.domains.timeseries.models.dense import Dense

    root, model = tmp_path_factory.mktemp("trained"), Dense(kind="dense", units=(4,))
    return run_stages(root, source, meaning, series_file, CUT, model, Train(epochs=3, patience=2, batch_size=128))


@pytest.fixture(scope="session")
def exported(solved: Folders) -> Folders:
    """The linear run with its bundle, reloaded in this process."""
    from gristmill.export import bundle
    from helpers.support import here

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "fresh_process", here)
        return with_bundle(solved, KERAS)


@pytest.fixture(scope="session")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A run on fourteen series of two targets, with a backtest of two blocks of two seeds."""
    from gristmill.domains.timeseries.models.linear import Linear

    root, random, frames = tmp_path_factory.mktemp("rolled"), np.random.default_rng(0), []
    days = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d")
    for number in range(14):
        values = random.normal(size=(60, 2)).cumsum(axis=0) * (1 + number) + 100
        frames.append(
            pd.DataFrame({"shop": f"shop {number:02d}", "day": days, "sales": values[:, 0], "returns": values[:, 1]})
        )
    pd.concat(frames).to_csv(root / "rows.csv", index=False)
    return run_stages(
        root,
        Csv(kind="csv", path="rows.csv"),
        Ingest(time=("day",), target=("sales", "returns"), series="shop"),
        root / "rows.csv",
        Preprocess(history=7, validation=10, test=10),
        Linear(kind="linear"),
        Train(),
        Backtest(windows=2, seeds=2),
        Evaluate.model_validate({"baselines": ["naive", "drift"]}),
    )


@pytest.fixture(scope="module")
def loaded_once() -> Iterator[None]:
    """Load the model of each bundle once for all champions."""
    from gristmill.export import bundle

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "load", cache(bundle.load))
        yield


@cache
def loaded(bundle: Path) -> LoadedBundle:
    """Return a bundle with its model, loaded once."""
    return LoadedBundle(bundle)


@pytest.fixture
def forecast(tmp_path: Path) -> Predict:
    """Return a function that predicts from rows by a run's bundle."""

    def call(
        run: Folders,
        rows: pd.DataFrame,
        ingest: Ingest = MEANING,
        preprocess: Preprocess = CUT,
        ingested: Path | None = None,
        **asked: Any,
    ) -> pd.DataFrame:
        from gristmill.domains.common.prediction import PredictionRequest
        from gristmill.domains.timeseries.predict import PREDICTION
        from gristmill.domains.timeseries.settings import PredictOptions

        path, scratch = tmp_path / "rows.csv", tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        rows.to_csv(path, index=False)
        tables = {"ingest": ingest, "preprocess": preprocess}
        source, options = Csv(kind="csv", path="rows.csv"), PredictOptions(**asked)
        bundle = loaded(run["export"])
        request = PredictionRequest(bundle, source, tables, options, (path,), ingested=ingested, scratch=scratch)
        return PREDICTION.predict(request)

    return call


KERAS = Export(formats=("keras",))
MEANING = Ingest(time=("month",), target=("sunspots",))
CUT = Preprocess(history=12, horizon=2, validation=30, test=30, season=24)
YARDSTICKS = Evaluate.model_validate({"baselines": ["naive", "seasonal_naive"]})


def run_stages(
    root: Path,
    source: Csv,
    meaning: Ingest,
    series: Path,
    cut: Preprocess,
    model: Settings,
    how: Train,
    blocks: Backtest | None = None,
    yardsticks: Evaluate = YARDSTICKS,
) -> Folders:
    """Run the stages up to evaluate below `root` and return their folders; those of blocks as `backtest 1/1`."""
    from gristmill.domains.timeseries.backtest import backtest
    from gristmill.domains.timeseries.evaluate import evaluate
    from gristmill.domains.timeseries.ingest import ingest
    from gristmill.domains.timeseries.preprocess import preprocess
    from gristmill.domains.timeseries.train import train

    points = [(window, seed) for window in range(blocks.windows) for seed in range(blocks.seeds)] if blocks else []
    of_blocks = {f"backtest {window + 1}/{seed + 1}": root / f"backtest-{window}-{seed}" for window, seed in points}
    folders = {stage: root / stage for stage in ("ingest", "preprocess", "train", "evaluate")} | of_blocks
    for folder in folders.values():
        folder.mkdir()
    ingest(source=source, ingest=meaning, paths=(series,), out=folders["ingest"])
    preprocess(preprocess=cut, ingest=folders["ingest"], out=folders["preprocess"])
    learn: dict[str, Any] = {"model": model, "train": how, "preprocess": folders["preprocess"]}
    learn |= {"logs": root / "logs", "on_epoch": lambda epoch: None}
    with eagerly():
        train(**learn, out=folders["train"], scratch=root / "scratch")
        for (window, seed), (label, out) in zip(points, of_blocks.items(), strict=True):
            backtest(**learn, backtest=blocks, window=window, seed=seed, out=out, scratch=root / f"scratch {label}")
        evaluate(
            evaluate=yardsticks,
            preprocess=folders["preprocess"],
            train=folders["train"],
            backtest=list(of_blocks.values()),
            out=folders["evaluate"],
        )
    return folders


def with_refit(folders: Folders, model: Settings, how: Train, root: Path) -> Folders:
    """Return the folders of a run with that of its network trained once more on everything, below `root`."""
    from gristmill.domains.timeseries.refit import refit

    out = root / "refit"
    out.mkdir()
    learn: dict[str, Any] = {"model": model, "train": how, "preprocess": folders["preprocess"]}
    learn |= {"logs": root / "logs", "on_epoch": lambda epoch: None, "scratch": root / "scratch"}
    refit(**learn, train_folder=folders["train"], out=out)
    return folders | {"refit": out}


def with_bundle(folders: Folders, settings: Export, root: Path | None = None) -> Folders:
    """Return the folders of a run with that of its bundle, exported now; below `root` if it is given."""
    from gristmill.domains.timeseries.export import export

    out = (root or folders["evaluate"].parent) / "export"
    out.mkdir()
    stages = {stage: folders[stage] for stage in ("preprocess", "train", "evaluate", "refit") if stage in folders}
    export(export=settings, **stages, out=out)
    return folders | {"export": out}


def networks(model: "Model", settings: Train, layout: Layout) -> "tuple[keras.Model, keras.Model]":
    """Return a model's own network, and the same from standardised windows to standardised forecasts."""
    from gristmill.domains.timeseries.fits.normalisation import standardised
    from gristmill.domains.timeseries.train import build

    core = build(model, (), settings, layout)
    levels = len(settings.quantiles) if settings.loss == "quantile" else 1
    return core, standardised(core, layout, levels, settings.targets == "sequence")
