"""What tests of time series share, as a pytest plugin: series prepared from numbers, two small runs of all stages.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.settings import Settings
from gristmill.sources.csv import Csv
from gristmill.tables import write_document, write_table
from gristmill.timeseries.settings import Evaluate, Export, Ingest, Preprocess, Train

SAMPLE = Path(__file__).parents[3] / "data/samples/sunspots.csv"

Folders = dict[str, Path]


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Path]:
    """Return a function from values and settings of preprocess to the folder of a prepared monthly series."""
    from gristmill.timeseries.preprocess import preprocess

    def call(values: Any, name: str = "prepared", **settings: Any) -> Path:
        ingested, out = tmp_path / f"{name}.ingested", tmp_path / name
        ingested.mkdir()
        out.mkdir()
        times = pd.date_range("2000-01-01", periods=len(values), freq="MS")
        write_table(ingested / "series.parquet", pd.DataFrame({"ds": times, "y": np.asarray(values, np.float64)}))
        write_document(ingested / "summary.json", {"target": "y", "frequency": "MS"})
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
    return Ingest(time="month", target="sunspots")


@pytest.fixture(scope="session")
def series_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 months of real sunspots, 1749-01 to 1765-08."""
    path = tmp_path_factory.mktemp("source") / "series.csv"
    path.write_text("\n".join(SAMPLE.read_text().splitlines()[:201]) + "\n")
    return path


@pytest.fixture(scope="session")
def solved(tmp_path_factory: pytest.TempPathFactory, source: Csv, meaning: Ingest, series_file: Path) -> Folders:
    """The folders of a run up to evaluate: history 12, horizon 2, a linear model in closed form."""
    from gristmill.timeseries.models.linear import Linear

    root = tmp_path_factory.mktemp("solved")
    return _run(root, source, meaning, series_file, Linear(kind="linear"), Train())


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, source: Csv, meaning: Ingest, series_file: Path) -> Folders:
    """The folders of a run up to evaluate: history 12, horizon 2, a small recurrent network in three epochs."""
    from gristmill.timeseries.models.conv_lstm import ConvLstm

    root = tmp_path_factory.mktemp("trained")
    model = ConvLstm(kind="conv_lstm", filters=4, kernel=3, units=(4,), dense=(4,))
    return _run(root, source, meaning, series_file, model, Train(epochs=3, patience=2))


@pytest.fixture(scope="session")
def exported(solved: Folders) -> Folders:
    """The linear run with its bundle in both formats, each proved equal in a fresh process."""
    from gristmill.timeseries.export import export

    out = solved["evaluate"].parent / "export"
    out.mkdir()
    export(
        export=Export(),
        preprocess=solved["preprocess"],
        train=solved["train"],
        evaluate=solved["evaluate"],
        out=out,
    )
    return solved | {"export": out}


def _run(root: Path, source: Csv, meaning: Ingest, series: Path, model: Settings, how: Train) -> Folders:
    from gristmill.timeseries.evaluate import evaluate
    from gristmill.timeseries.ingest import ingest
    from gristmill.timeseries.preprocess import preprocess
    from gristmill.timeseries.train import train

    folders = {stage: root / stage for stage in ("ingest", "preprocess", "train", "evaluate")}
    for folder in folders.values():
        folder.mkdir()
    cut = Preprocess(history=12, horizon=2, validation=30, test=30)
    ingest(source=source, ingest=meaning, path=series, out=folders["ingest"])
    preprocess(preprocess=cut, ingest=folders["ingest"], out=folders["preprocess"])
    train(
        model=model,  # type: ignore[arg-type]  # settings that can build their network
        train=how,
        preprocess=folders["preprocess"],
        out=folders["train"],
        scratch=root / "scratch",
        on_epoch=lambda epoch: None,
    )
    evaluate(
        evaluate=Evaluate(season=24, ar_order=3),
        preprocess=folders["preprocess"],
        train=folders["train"],
        out=folders["evaluate"],
    )
    return folders
