"""The trained network takes and gives raw values, learns from the training set alone, and is kept with its course."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.forecasts import by_network, read_forecast
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import fit_forecaster, train
from gristmill.errors import Diverged, RequestError
from gristmill.settings.custom_code import CustomCode
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network
from gristmill.training.progress import Epoch
from gristmill.util.table_io import read_document, read_table
from helpers.small_runs import assembled

Fit = Callable[..., Path]

VALUES = np.random.default_rng(0).normal(size=90).cumsum() + 100
CUT = {"history": 6, "horizon": 2, "validation": 20, "test": 10}
DATA = assembled(VALUES, **CUT)
DENSE = Dense(kind="dense", units=(4,))
LINEAR = Linear(kind="linear")
MODELS = "gristmill.domains.timeseries.models"


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """Return a function that trains on series into a folder of that name."""

    def call(
        name: str = "out", data: Prepared = DATA, model: Any = DENSE, told: Any = None, files: Any = (), **how: Any
    ) -> Path:
        folder, out = tmp_path / f"{name}.prepared", tmp_path / name
        folder.mkdir()
        out.mkdir()
        dataset.write(data, folder)
        counts = train(
            model=model,
            train=Train(**{"epochs": 2} | how),
            preprocess=folder,
            out=out,
            scratch=tmp_path / f"{name}.scratch",
            logs=tmp_path / f"{name}.logs",
            on_epoch=(told if told is not None else []).append,
            files=files,
        )
        assert counts["parameters"] == saved_network.read(out).count_params()
        assert counts.get("epochs", 0) == read_document(out / "training.json")["epochs"]
        return out

    return call


def content(folder: Path) -> dict[str, bytes]:
    """Return a folder's files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def predicted(folder: Path, data: Prepared = DATA, part: str = "validation") -> Any:
    """Return the published network's forecasts of a part, from raw values."""
    return np.asarray(saved_network.read(folder)(data.histories(data.origins(part))))


@pytest.mark.slow
def test_training_writes_the_network_and_its_course(fit: Fit) -> None:
    told: list[Epoch] = []

    out = fit(told=told, epochs=3)

    assert sorted(content(out)) == ["architecture.json", "epochs.parquet", "training.json", "weights.npz"]
    epochs = read_table(out / "epochs.parquet")
    assert epochs.columns.tolist() == ["epoch", "loss", "val_loss", "rate"]
    assert list(epochs[["epoch", "loss", "val_loss"]].itertuples(index=False, name=None)) == [
        (epoch.number, epoch.loss, epoch.val_loss) for epoch in told
    ]
    assert epochs["epoch"].tolist() == [1, 2, 3]
    assert epochs["rate"].iloc[0] == pytest.approx(1e-3)
    assert read_document(out / "training.json") == {
        "best_epoch": 3,
        "epochs": 3,
        "stopped_early": False,
        "learning_rate": 1e-3,
        "quantiles": None,
    }
    assert saved_network.read(out).count_params() == (6 + 1) * 4 + (4 + 1) * 2
    assert saved_network.read(out).input_shape == (None, 6, 1)
    assert saved_network.read(out).output_shape == (None, 2, 1)


def test_a_model_in_closed_form_has_no_course(fit: Fit) -> None:
    told: list[Epoch] = []

    out = fit(model=LINEAR, told=told)

    assert told == []
    assert read_document(out / "training.json")["best_epoch"] == 0
    assert read_document(out / "training.json")["learning_rate"] is None
    assert len(read_table(out / "epochs.parquet")) == 0


def test_the_closed_form_is_ridge_on_standardised_windows(fit: Fit) -> None:
    """By hand, from the raw values to the forecasts: of the test set by a fit on everything before it."""
    out = fit(model=LINEAR)

    assert predicted(out, part="test")[:, :, 0] == pytest.approx(by_hand(80, "test"), rel=1e-5)


def test_the_forecasts_of_validation_are_those_of_a_fit_that_saw_none_of_its_values(fit: Fit) -> None:
    out = fit(model=LINEAR)

    honest = read_forecast(out / "validation.parquet", (19, 2, 1))[:, :, 0]
    assert honest == pytest.approx(by_hand(60, "validation"), rel=1e-5)
    assert np.abs(honest - predicted(out)[:, :, 0]).max() > 1e-3


def by_hand(known: int, part: str) -> Any:
    """Return the forecasts of a part by ridge on the standardised windows of the first so many values."""
    mean, deviation = VALUES[:known].mean(), VALUES[:known].std()
    standard = (VALUES - mean) / deviation
    rows = np.array([[*standard[at - 6 : at], 1.0] for at in range(6, known - 1)])
    judged = np.array([standard[at : at + 2] for at in range(6, known - 1)])
    solution = np.linalg.solve(rows.T @ rows + np.diag([1.0] * 6 + [0.0]), rows.T @ judged)
    seen = np.array([[*standard[at - 6 : at], 1.0] for at in DATA.origins(part)])
    return seen @ solution * deviation + mean


CLOSED = [kind for kind in kinds(MODELS) if hasattr(settings_of(kind, MODELS), "fit")]


@pytest.mark.parametrize("kind", CLOSED)
def test_no_forecast_of_a_fit_changes_with_values_from_its_origin_on(tmp_path: Path, kind: str) -> None:
    """The fit saw no value of the validation set, and the forecast none from its origin on."""
    changed = VALUES.copy()
    changed[60:80] = 100 + np.abs(np.random.default_rng(1).normal(size=20)).cumsum() * 9
    model, forecasts = settings_of(kind, MODELS).model_validate({"kind": kind}), []

    for values in (VALUES, changed):
        data = assembled(values, **CUT, season=4)
        network, _ = fit_forecaster(model, Train(), data, tmp_path, tmp_path, lambda epoch: None)
        forecasts.append(by_network(network, data.seen_by(network), data.origins("validation"), once=True))

    first, second = forecasts
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[5:], second[5:])


def test_without_a_validation_part_there_are_no_forecasts_of_it(fit: Fit) -> None:
    out = fit(model=LINEAR, data=assembled(VALUES, **CUT | {"validation": 0}))

    assert not (out / "validation.parquet").exists()


@pytest.mark.slow
def test_the_kept_epoch_is_the_best_of_validation(fit: Fit) -> None:
    """The validation loss of the published network, computed anew on raw values, is the lowest one of its course."""
    out = fit(epochs=12, patience=2, learning_rate=0.1, schedule="constant")

    truth = DATA.targets(DATA.origins("validation"))
    errors = np.abs(truth - predicted(out)) / DATA.layout.deviation
    huber = np.where(errors <= 1, errors**2 / 2, errors - 0.5).mean()
    epochs = read_table(out / "epochs.parquet")
    assert huber == pytest.approx(epochs["val_loss"].min(), rel=1e-4)
    assert read_document(out / "training.json")["best_epoch"] == epochs["val_loss"].argmin() + 1


def test_patience_without_a_validation_part_is_refused(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"train\.patience .* preprocess\.validation is 0"):
        fit(data=assembled(VALUES, **CUT | {"validation": 0}), patience=2)

    assert content(tmp_path / "out") == {}


@pytest.mark.slow
def test_without_a_validation_part_all_epochs_run(fit: Fit) -> None:
    out = fit(data=assembled(VALUES, **CUT | {"validation": 0}))

    assert read_table(out / "epochs.parquet").columns.tolist() == ["epoch", "loss", "rate"]
    assert read_document(out / "training.json")["epochs"] == 2


@pytest.mark.slow
def test_a_training_that_diverges_writes_nothing(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"the loss became .*(inf|nan).*Lower train\.learning_rate"):
        fit(loss="mse", learning_rate=1e38, clip_norm="none")

    assert content(tmp_path / "out") == {}


@pytest.mark.slow
@pytest.mark.parametrize("model", [DENSE, LINEAR], ids=["dense", "linear"])
def test_equal_settings_give_equal_bytes_whatever_the_test_part_holds(fit: Fit, model: Any) -> None:
    changed = VALUES.copy()
    changed[80:] *= 1000
    how = {"patience": 1, "epochs": 1} if model is DENSE else {}

    first, second = (
        fit(name, data, model, **how) for name, data in (("first", DATA), ("second", assembled(changed, **CUT)))
    )

    assert content(first) == content(second)
    if model is DENSE:
        other = fit("other", seed=7, **how)
        assert content(first)["weights.npz"] != content(other)["weights.npz"]
        assert content(first)["architecture.json"] == content(other)["architecture.json"]


@pytest.mark.slow
def test_quantiles_and_a_found_learning_rate_are_told_with_its_search(fit: Fit) -> None:
    out = fit(loss="quantile", quantiles=(0.1, 0.5, 0.9), learning_rate="find", batch_size=8)

    found = read_document(out / "training.json")["learning_rate"]
    trials = read_table(out / "learning_rates.parquet")
    assert trials["rate"].min() < found < trials["rate"].max()
    assert read_table(out / "epochs.parquet")["rate"].iloc[0] == pytest.approx(found)
    assert read_document(out / "training.json")["quantiles"] == [0.1, 0.5, 0.9]
    assert predicted(out).shape == (19, 2, 3)


@pytest.mark.slow
def test_a_users_own_function_builds_the_network(fit: Fit, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import keras\n\ndef build(shape, width):\n"
        "    window = keras.Input((shape.history, shape.columns))\n"
        "    hidden = keras.layers.Dense(width, 'relu')(keras.layers.Flatten()(window))\n"
        "    return keras.Model(window, keras.layers.Dense(shape.outputs)(hidden))\n"
    )

    out = fit(model=CustomCode.model_validate({"kind": "mine.py:build", "width": 5}), files=[file], epochs=1)

    assert saved_network.read(out).count_params() == (6 + 1) * 5 + (5 + 1) * 2
    assert predicted(out).shape == (19, 2, 1)
