"""What tests of tables share: a small table of houses, and runs of all stages on it and on a line."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.tabular.models.dense import Dense
from gristmill.domains.tabular.models.linear import Logistic
from gristmill.domains.tabular.settings import Export, Ingest, Preprocess, Train
from gristmill.export import bundle
from gristmill.sources.rows import TableSource
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.inline import Inline
from helpers.eager import eagerly
from helpers.few_folds import few_folds
from helpers.support import here

EVALUATE = Evaluate()
FEW_EPOCHS = 30  # up to here, compiling takes longer than it saves

Folders = dict[str, Path]
Houses = tuple[Csv, Ingest, Path]

STAGES = ("ingest", "preprocess", "train", "evaluate", "export")


def houses() -> pd.DataFrame:
    """Return 60 houses; the price is a plane plus what its town adds, but for a little noise."""
    random = np.random.default_rng(0)
    area, rooms, town = random.integers(40, 200, 60), random.integers(1, 7, 60), random.choice(["Köln", "Ulm"], 60)
    price = 2 * area + 10 * rooms + np.where(town == "Ulm", 0, 100) + random.normal(0, 2, 60)
    return pd.DataFrame({"area": area, "rooms of it": rooms, "part": town, "price": price.round(2)})


@pytest.fixture(scope="session")
def of_houses(tmp_path_factory: pytest.TempPathFactory) -> Houses:
    """How the houses are read, what their columns mean, and where they lie."""
    file = tmp_path_factory.mktemp("houses") / "houses.csv"
    houses().to_csv(file, index=False)
    meaning = Ingest(target="price", numbers=("area", "rooms of it"), categories=("part",))
    return Csv(kind="csv", path="houses.csv"), meaning, file


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory, of_houses: Houses) -> Folders:
    """The folders of a run on numbers and a category, by a small network in six epochs."""
    source, meaning, file = of_houses
    how = Train(epochs=6, learning_rate=0.05, batch_size=8, patience=5)
    cut, model = Preprocess(validation=10, test=14), Dense(kind="dense", units=(4,))
    return run_stages(tmp_path_factory.mktemp("mixed"), source, meaning, cut, model, how, (file,))


def flights() -> pd.DataFrame:
    """Return 120 flights, with empty cells; those with a late start, and those on a Friday, are delayed."""
    random = np.random.default_rng(0)
    days = pd.date_range("2024-03-01", periods=120).strftime("%Y-%m-%d").to_numpy(object)
    late, gate = random.normal(0, 20, 120).round(1), random.choice(["A", "B", "C"], 120).astype(object)
    note = random.choice(["heavy fog", "clear sky", ""], 120).astype(object)
    is_friday = pd.to_datetime(days).day_of_week == 4
    state = np.where((late > 15) | is_friday, "delayed", np.where(note == "heavy fog", "diverted", "on time"))
    late[::9], gate[5::11], days[7::13] = np.nan, "", ""
    return pd.DataFrame({"day": days, "late": late, "gate": gate, "note": note, "code": range(120), "state": state})


@pytest.fixture(scope="session")
def of_flights(tmp_path_factory: pytest.TempPathFactory) -> Houses:
    """How the flights are read, what their columns mean, and where they lie."""
    file = tmp_path_factory.mktemp("flights") / "flights.csv"
    flights().to_csv(file, index=False)
    roles = {"numbers": "late", "categories": ["gate", "code"], "dates": "day", "texts": "note"}
    meaning = Ingest.model_validate({"target": "state", "task": "classification"} | roles)
    return Csv(kind="csv", path="flights.csv"), meaning, file


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory, of_flights: Houses) -> Folders:
    """The folders of a run that predicts a class of three, by logistic regression."""
    source, meaning, file = of_flights
    cut, model = Preprocess(validation=0.2, test=0.3), Logistic(kind="logistic")
    return run_stages(tmp_path_factory.mktemp("classes"), source, meaning, cut, model, Train(), (file,))


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folders of a run on the inline line y = 2x - 1, by one neuron in 30 steps."""
    source = Inline(kind="inline", x=(-1, 0, 1, 2, 3, 4, 10), y=(-3, -1, 1, 3, 5, 7, 19))
    return run_stages(tmp_path_factory.mktemp("line"), source, *of_course(epochs=30))


@pytest.fixture
def run_on(tmp_path: Path) -> Callable[..., Folders]:
    """Return a function that runs the stages below the test's folder."""

    def call(source: TableSource, *settings: Any, **more: Any) -> Folders:
        return run_stages(tmp_path, source, *settings, **more)

    return call


@pytest.fixture
def course() -> Callable[..., tuple[Any, ...]]:
    """The settings of the course's first networks, by the number of epochs."""
    return of_course


def of_course(epochs: int) -> tuple[Ingest, Preprocess, Dense, Train]:
    """Return the settings of the course's first networks: one neuron, all rows at once, plain gradient descent."""
    how = Train(epochs=epochs, optimizer="sgd", learning_rate=0.01, schedule="constant", clip_norm="none")
    cut = Preprocess(validation=0, test=1, split="last", scale="none")
    return Ingest(target="y", numbers=("x",)), cut, Dense(kind="dense", units=()), how


def run_stages(
    root: Path,
    source: TableSource,
    meaning: Ingest,
    cut: Preprocess,
    model: Any,
    how: Train,
    paths: tuple[Path, ...] = (),
    judged: Evaluate = EVALUATE,
    exported: bool = True,
) -> Folders:
    """Run all stages below `root` and return their folders; models are reloaded in this process."""
    from gristmill.domains.tabular.evaluate import evaluate
    from gristmill.domains.tabular.export import export
    from gristmill.domains.tabular.ingest import ingest
    from gristmill.domains.tabular.preprocess import preprocess
    from gristmill.domains.tabular.train import train

    folders = {stage: root / stage for stage in STAGES}
    for folder in folders.values():
        folder.mkdir()
    ingest(source=source, ingest=meaning, out=folders["ingest"], paths=paths)
    preprocess(preprocess=cut, ingest=folders["ingest"], out=folders["preprocess"])
    read: dict[str, Any] = {stage: folders[stage] for stage in ("preprocess", "train")}
    with pytest.MonkeyPatch.context() as patch, few_folds():
        patch.setattr(bundle, "fresh_process", here)
        with eagerly() if how.epochs <= FEW_EPOCHS else nullcontext():
            train(
                model=model,
                train=how,
                preprocess=folders["preprocess"],
                out=folders["train"],
                scratch=root / "scratch",
                logs=root / "logs",
                on_epoch=lambda epoch: None,
            )
        evaluate(evaluate=judged, **read, out=folders["evaluate"])
        if exported:
            export(export=Export(), **read, evaluate=folders["evaluate"], out=folders["export"])
    return folders
