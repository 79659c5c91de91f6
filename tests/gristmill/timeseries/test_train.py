"""The trained network takes and gives raw values, and learns from the training part alone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gristmill import network as networks
from gristmill.errors import Diverged, RequestError
from gristmill.progress import Epoch
from gristmill.tables import read_document, read_table
from gristmill.timeseries import prepared
from gristmill.timeseries.models.dense import Dense
from gristmill.timeseries.models.linear import Linear
from gristmill.timeseries.settings import Train
from gristmill.timeseries.train import WindowBatches, around, scaled, train

if TYPE_CHECKING:
    import tensorflow as tf

pytest_plugins = ["small_runs"]

Prepare = Callable[..., Path]
Folders = dict[str, Path]

VALUES = np.random.default_rng(0).normal(size=90).cumsum() + 100
CUT = {"history": 6, "horizon": 2, "validation": 20, "test": 10}
DENSE = Dense(kind="dense", units=(4,))


def fit(
    folder: Path, out: Path, model: Any = DENSE, told: list[Epoch] | None = None, **settings: Any
) -> dict[str, int]:
    """Train on a prepared series into `out`."""
    out.mkdir()
    return train(
        model=model,
        train=Train(**{"epochs": 2} | settings),
        preprocess=folder,
        out=out,
        scratch=out.with_suffix(".scratch"),
        on_epoch=(told if told is not None else []).append,
    )


def content(folder: Path) -> dict[str, bytes]:
    """Return a folder's files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(batches: "tf.data.Dataset") -> list[tuple[float, ...]]:
    """Return history and targets of every window, in the order of the batches."""
    return [
        (*history, *target)
        for seen, judged in batches.as_numpy_iterator()
        for history, target in zip(seen.tolist(), judged.tolist(), strict=True)
    ]


def test_the_network_scales_inside(prepare: Prepare) -> None:
    layout = prepared.read(prepare(VALUES, **CUT)).layout
    inner = DENSE.build(6, 2)
    raw = VALUES[:12].reshape(2, 6).astype(np.float32)

    made = around(inner, layout).predict(raw, verbose=0)

    by_hand = inner.predict((raw - layout.mean) / layout.deviation, verbose=0) * layout.deviation + layout.mean
    assert made == pytest.approx(by_hand, rel=1e-5)
    assert made.shape == (2, 2)


def test_training_writes_the_network_and_its_course(prepare: Prepare, tmp_path: Path) -> None:
    told: list[Epoch] = []

    counts = fit(prepare(VALUES, **CUT), tmp_path / "out", told=told, epochs=3)

    assert counts == {"parameters": (6 + 1) * 4 + (4 + 1) * 2, "epochs": 3}
    assert sorted(content(tmp_path / "out")) == [
        "architecture.json",
        "epochs.parquet",
        "training.json",
        "weights.npz",
    ]
    epochs = read_table(tmp_path / "out" / "epochs.parquet")
    assert epochs.columns.tolist() == ["epoch", "loss", "val_loss"]
    assert list(epochs.itertuples(index=False, name=None)) == [
        (epoch.number, epoch.loss, epoch.val_loss) for epoch in told
    ]
    assert epochs["epoch"].tolist() == [1, 2, 3]
    assert read_document(tmp_path / "out" / "training.json") == {"best_epoch": 3, "epochs": 3, "stopped_early": False}
    assert networks.read(tmp_path / "out").input_shape == (None, 6)


def test_a_model_in_closed_form_is_solved_on_the_standardised_training_windows(solved: Folders) -> None:
    data = prepared.read(solved["preprocess"])
    inner = Linear(kind="linear").build(12, 2)
    Linear(kind="linear").solve(
        inner, scaled(data.histories("train"), data.layout), scaled(data.targets("train"), data.layout)
    )

    made = networks.read(solved["train"]).predict(data.histories("test"), verbose=0)

    by_hand = inner.predict(scaled(data.histories("test"), data.layout), verbose=0)
    assert made == pytest.approx(by_hand * data.layout.deviation + data.layout.mean, abs=1e-3)
    assert read_document(solved["train"] / "training.json") == {"best_epoch": 0, "epochs": 0, "stopped_early": False}
    assert len(read_table(solved["train"] / "epochs.parquet")) == 0


def test_the_kept_epoch_is_the_best_of_validation(trained: Folders) -> None:
    """The validation loss of the published network, computed anew on raw values, is the lowest one of its course."""
    data = prepared.read(trained["preprocess"])
    errors = (data.targets("validation") - networks.read(trained["train"]).predict(data.histories("validation"))) / (
        data.layout.deviation
    )
    huber = np.where(np.abs(errors) <= 1, errors**2 / 2, np.abs(errors) - 0.5).mean()

    epochs = read_table(trained["train"] / "epochs.parquet")
    assert huber == pytest.approx(epochs["val_loss"].min(), rel=1e-4)
    assert read_document(trained["train"] / "training.json")["best_epoch"] == epochs["val_loss"].argmin() + 1


def test_patience_without_a_validation_part_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    folder = prepare(VALUES, **CUT | {"validation": 0})

    with pytest.raises(RequestError, match=r"train\.patience .* preprocess\.validation is 0"):
        fit(folder, tmp_path / "out", patience=2)

    assert content(tmp_path / "out") == {}


def test_without_a_validation_part_all_epochs_run(prepare: Prepare, tmp_path: Path) -> None:
    fit(prepare(VALUES, **CUT | {"validation": 0}), tmp_path / "out")

    assert read_table(tmp_path / "out" / "epochs.parquet").columns.tolist() == ["epoch", "loss"]
    assert read_document(tmp_path / "out" / "training.json")["epochs"] == 2


def test_a_training_that_diverges_writes_nothing(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"the loss became .*(inf|nan).*Lower train\.learning_rate"):
        fit(prepare(VALUES, **CUT), tmp_path / "out", loss="mse", learning_rate=1e38, clip_norm=None)

    assert content(tmp_path / "out") == {}


def test_equal_settings_give_equal_bytes_whatever_was_built_before(prepare: Prepare, tmp_path: Path) -> None:
    folder = prepare(VALUES, **CUT)
    fit(folder, tmp_path / "first", epochs=1)
    DENSE.build(3, 1)
    fit(folder, tmp_path / "second", epochs=1)
    fit(folder, tmp_path / "other", epochs=1, seed=7)

    assert content(tmp_path / "first") == content(tmp_path / "second")
    assert content(tmp_path / "first")["weights.npz"] != content(tmp_path / "other")["weights.npz"]
    assert content(tmp_path / "first")["architecture.json"] == content(tmp_path / "other")["architecture.json"]


def test_nothing_learned_changes_when_values_of_the_test_part_do(prepare: Prepare, tmp_path: Path) -> None:
    changed = VALUES.copy()
    changed[80:] *= 1000
    fit(prepare(VALUES, "before", **CUT), tmp_path / "first", patience=1)
    fit(prepare(changed, "after", **CUT), tmp_path / "second", patience=1)

    assert content(tmp_path / "first") == content(tmp_path / "second")


@pytest.mark.parametrize("stride", [1, 3])
def test_training_sees_every_window_once_an_epoch_and_no_value_of_a_later_part(prepare: Prepare, stride: int) -> None:
    """The values are their own positions, so that a batch tells where it was gathered."""
    data = prepared.read(prepare(np.arange(90), **CUT, scale="none", stride=stride))
    batches = WindowBatches(data, Train(epochs=1, batch_size=7))

    seen = rows(batches.stream(0))

    assert sorted(seen) == [tuple(range(origin - 6, origin + 2)) for origin in range(6, 59, stride)]
    assert batches.steps == -(-len(seen) // 7)
    assert max(max(row) for row in seen) < data.layout.parts["train"][1] == 60


def test_validation_holds_no_target_of_training(prepare: Prepare) -> None:
    data = prepared.read(prepare(np.arange(90), **CUT, scale="none"))
    batches = WindowBatches(data, Train(epochs=1))

    validation = batches.validation()
    assert validation is not None
    judged = {value for row in rows(validation) for value in row[-2:]}

    assert judged == set(range(60, 80))
    assert judged.isdisjoint(value for row in rows(batches.stream(0)) for value in row)


def test_each_epoch_has_its_own_order_whether_or_not_training_went_on_from_it(prepare: Prepare) -> None:
    data = prepared.read(prepare(np.arange(90), **CUT, scale="none"))

    def order(first: int, seed: int = 1) -> list[tuple[float, ...]]:
        return rows(WindowBatches(data, Train(epochs=3, batch_size=7, seed=seed)).stream(first))

    windows = len(data.origins("train"))
    first, second, third = (order(0)[epoch * windows : (epoch + 1) * windows] for epoch in range(3))
    assert sorted(first) == sorted(second) == sorted(third)
    assert first != second != third != first
    assert order(1) == second + third
    assert order(2) == third
    assert order(0, seed=2)[:windows] != first


def test_windows_for_training_are_standardised(prepare: Prepare) -> None:
    data = prepared.read(prepare(VALUES, **CUT))

    seen = rows(WindowBatches(data, Train(epochs=1)).stream(0))

    windows = np.column_stack([data.histories("train"), data.targets("train")])
    expected = (windows - data.layout.mean) / data.layout.deviation
    assert np.array(sorted(seen)) == pytest.approx(np.array(sorted(expected.tolist())), abs=1e-4)
