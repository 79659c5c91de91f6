"""The trained network takes and gives raw values, learns from the training set alone, and is kept with its course."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Layout, Prepared
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.models.dense import Dense
from gristmill.domains.tabular.settings import Train
from gristmill.domains.tabular.train import train
from gristmill.errors import Diverged, RequestError, Unsuitable
from gristmill.settings.custom_code import CustomCode
from gristmill.training import saved_network
from gristmill.training.progress import Epoch
from gristmill.util.table_io import read_document, read_table

Fit = Callable[..., Path]

PARTS = np.array(["train"] * 12 + ["validation"] * 4 + ["test"] * 4)
TABLE = pd.DataFrame({"x": np.arange(20.0), "town": ["a", "b"] * 10, "y": 3 * np.arange(20.0) + np.tile([0.0, 9], 10)})
LAYOUT = Layout("y", ["x"], {"town": ["a", "b"]}, {"x": 5.5, "y": 20.0}, {"x": 3.5, "y": 10.0})
DATA = Prepared(TABLE, PARTS, LAYOUT)


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """Return a function that trains on rows into a folder of that name."""

    def call(
        name: str = "out", data: Prepared = DATA, model: Any = None, told: Any = None, files: Any = (), **how: Any
    ) -> Path:
        folder, out = tmp_path / f"{name}.prepared", tmp_path / name
        folder.mkdir()
        out.mkdir()
        dataset.write(data, folder)
        counts = train(
            model=model or Dense(kind="dense", units=(4,)),
            train=Train(**{"epochs": 2} | how),
            preprocess=folder,
            out=out,
            scratch=tmp_path / f"{name}.scratch",
            logs=tmp_path / f"{name}.logs",
            on_epoch=(told if told is not None else []).append,
            files=files,
        )
        assert counts["parameters"] == saved_network.read(out).count_params()
        assert counts["epochs"] == len(read_table(out / "epochs.parquet"))
        return out

    return call


def content(folder: Path) -> dict[str, bytes]:
    """Return a folder's files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_training_writes_the_network_and_its_course(fit: Fit, eager: None) -> None:
    told: list[Epoch] = []

    out = fit(told=told, epochs=3)

    assert sorted(content(out)) == [
        "architecture.json",
        "epochs.parquet",
        "training.json",
        "validation.parquet",
        "weights.npz",
    ]
    assert [epoch.number for epoch in told] == [1, 2, 3]
    assert read_table(out / "epochs.parquet")["loss"].tolist() == [epoch.loss for epoch in told]
    assert saved_network.read(out).count_params() == (4 + 1) * 4 + (4 + 1)


@pytest.mark.slow
def test_one_neuron_learns_the_plane(fit: Fit) -> None:
    """By plain gradient descent; the town adds 9 to three times x."""
    plane = Dense(kind="dense", units=())
    out = fit(model=plane, epochs=60, batch_size=1, optimizer="sgd", learning_rate=0.05)

    assert predict_target(saved_network.read(out), DATA.inputs) == pytest.approx(TABLE["y"], abs=0.05)


@pytest.mark.slow
def test_the_kept_epoch_is_the_best_of_validation(fit: Fit) -> None:
    """The validation loss of the published network, computed anew on raw values, is the lowest one of its course."""
    out = fit(epochs=12, patience=2, learning_rate=0.1, schedule="constant", batch_size=4)

    made = predict_target(saved_network.read(out), DATA.inputs)
    loss = np.square((made - DATA.truth) / LAYOUT.deviation["y"])[PARTS == "validation"].mean()
    epochs = read_table(out / "epochs.parquet")
    assert loss == pytest.approx(epochs["val_loss"].min(), rel=1e-4)
    assert read_document(out / "training.json")["best_epoch"] == epochs["val_loss"].argmin() + 1


@pytest.mark.slow
def test_training_depends_on_the_seed_and_not_on_the_test_part(fit: Fit, eager: None) -> None:
    changed = TABLE.assign(y=TABLE["y"].where(PARTS != "test", -1e6), x=TABLE["x"].where(PARTS != "test", 1e6))

    first, second = fit("first", patience=1), fit("second", data=Prepared(changed, PARTS, LAYOUT), patience=1)

    assert content(first) == content(second)
    other = fit("other", patience=1, seed=7)
    assert content(first)["weights.npz"] != content(other)["weights.npz"]
    assert content(first)["architecture.json"] == content(other)["architecture.json"]


def test_patience_without_a_validation_part_is_refused(fit: Fit) -> None:
    parts = np.where(PARTS == "validation", "train", PARTS)
    with pytest.raises(RequestError, match=r"train\.patience .* preprocess\.validation is 0"):
        fit(data=Prepared(TABLE, parts, LAYOUT), patience=2)


def test_without_a_validation_part_there_is_no_loss_of_it(fit: Fit, eager: None) -> None:
    out = fit(data=Prepared(TABLE, np.where(PARTS == "validation", "train", PARTS), LAYOUT))
    assert read_table(out / "epochs.parquet").columns.tolist() == ["epoch", "loss", "rate"]


def test_a_training_that_diverges_writes_nothing(fit: Fit, tmp_path: Path, eager: None) -> None:
    with pytest.raises(Diverged):
        fit(learning_rate=1e38, clip_norm="none", optimizer="sgd")
    assert content(tmp_path / "out") == {}


def own(tmp_path: Path, body: str) -> dict[str, Any]:
    """Return a user's own model, as `fit` takes it."""
    file = tmp_path / "mine.py"
    file.write_text(f"import keras\n\ndef build(shape, width):\n    {body}\n")
    return {"model": CustomCode.model_validate({"kind": "mine.py:build", "width": 5}), "files": [file]}


def test_a_users_own_function_builds_the_network(fit: Fit, tmp_path: Path, eager: None) -> None:
    body = "return keras.Sequential([keras.Input((shape.features,)), keras.layers.Dense(width), keras.layers.Dense(1)])"
    out = fit(**own(tmp_path, body), epochs=1)
    assert saved_network.read(out).count_params() == (4 + 1) * 5 + (5 + 1)


def test_a_network_of_another_shape_is_refused(fit: Fit, tmp_path: Path) -> None:
    body = "return keras.Sequential([keras.Input((shape.features,)), keras.layers.Dense(2)])"
    message = r"takes \(4,\) and gives \(2,\) for each row; expected it to take \(4,\) and give \(1,\)"
    with pytest.raises(RequestError, match=message):
        fit(**own(tmp_path, body))


def test_more_encoded_cells_than_fit_into_memory_are_refused(
    fit: Fit, monkeypatch: pytest.MonkeyPatch, eager: None
) -> None:
    monkeypatch.setattr("gristmill.domains.tabular.train._MAX_CELLS", 80)
    pieces = Dense(kind="dense", units=(4,), pieces=3)
    fit()
    with pytest.raises(
        Unsuitable, match=r"^trains on at most 80 cells .*; 16 rows of 6 encoded columns have 96\. Leave"
    ):
        fit("wide", model=pieces)
