"""The tested recipe repeated on all data, equal to the bit, once, and resumed after an interruption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.refit import of_everything, refit
from gristmill.domains.timeseries.select import select
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import fit_forecaster, train
from gristmill.project.project import Project
from gristmill.settings.custom_code import CustomCode
from gristmill.settings.selection import Auto, Select
from gristmill.training import saved_network
from gristmill.training.progress import Epoch
from gristmill.util.table_io import read_document, read_table, write_document
from helpers.small_candidates import fit_candidates
from helpers.small_runs import assembled
from helpers.support import Command, made, records

pytest_plugins = ["helpers.end_to_end"]

Fit = Callable[..., Path]
Judge = Callable[..., tuple[Path, Fit]]

CUT = {"history": 6, "horizon": 2, "validation": 20, "test": 10}
DATA = assembled(np.random.default_rng(0).normal(size=90).cumsum() + 100, **CUT)
DENSE = Dense(kind="dense", units=(4,))
LINEAR = Linear(kind="linear")
OWN = CustomCode.model_validate({"kind": "mine.py:build"})
SEARCHED = {"epochs": 12, "patience": 2, "learning_rate": "find", "batch_size": 8}  # and stops early


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return a function that trains a network, and gives its folder and what trains it once more into another.

    With `tested`, what was found in training, it trains none.
    """

    def call(
        name: str = "judged", data: Prepared = DATA, model: Any = DENSE, files: Any = (), tested: Any = None, **how: Any
    ) -> Any:
        given = tmp_path / f"{name}.prepared"
        given.mkdir()
        dataset.write(data, given)
        learn = {"model": model, "train": Train(**{"epochs": 2} | how), "preprocess": given, "files": files}

        def again(name: str = "refit", on_epoch: Callable[[Epoch], None] = lambda epoch: None) -> Path:
            counts = refit(**learn, train_folder=judged, **places(name), on_epoch=on_epoch)
            network, training = saved_network.read(tmp_path / name), read_document(tmp_path / name / "training.json")
            assert counts["parameters"] == network.count_params()
            assert counts.get("epochs", 0) == training["epochs"]
            return tmp_path / name

        def places(name: str) -> dict[str, Path]:
            (tmp_path / name).mkdir(exist_ok=True)
            return {at: tmp_path / f"{name}.{at}" for at in ("scratch", "logs")} | {"out": tmp_path / name}

        judged = tmp_path / name
        if tested:
            judged.mkdir()
            write_document(judged / "training.json", tested)
        else:
            train(**learn, **places(name), on_epoch=lambda epoch: None)
        return judged, again

    return call


def content(folder: Path) -> dict[str, bytes]:
    """Return a folder's files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def predicted(folder: Path) -> Any:
    """Return the published network's forecasts of the validation set, from raw values."""
    return np.asarray(saved_network.read(folder)(DATA.histories(DATA.origins("validation"))))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of the user that builds a network."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import keras\n\ndef build(shape):\n"
        "    window = keras.Input((shape.history, shape.columns))\n"
        "    return keras.Model(window, keras.layers.Dense(shape.outputs)(keras.layers.Flatten()(window)))\n"
    )
    return file


@pytest.mark.slow
@pytest.mark.parametrize("model", [OWN, LINEAR], ids=["a user's own function", "linear"])
def test_it_is_another_network_on_the_scale_that_was_judged_and_leaves_the_judged_one_as_it_is(
    judge: Judge, model: Any, own: Path
) -> None:
    judged, again = judge(model=model, files=[own])
    before = content(judged)

    out = again()

    assert content(judged) == before
    assert set(content(out)) == set(before) - {"validation.parquet"}  # nothing is left to forecast
    layers = [saved_network.read(folder).get_layer("standardise") for folder in (judged, out)]
    if model is OWN:  # a closed form is judged on the scale of all that it was fitted on
        assert np.array_equal(np.asarray(layers[0].scale), np.asarray(layers[1].scale))
    assert np.abs(predicted(judged) - predicted(out)).max() > 1e-3


def test_everything_is_all_windows_up_to_the_last_observation() -> None:
    everything = of_everything(DATA)

    assert everything.parts.tolist() == [[[0, 90], [90, 90], [90, 90]]]
    assert everything.layout == DATA.layout
    assert len(everything.origins("train")) == 90 - 6 - 2 + 1


@pytest.mark.slow
def test_the_closed_form_is_that_of_all_windows(judge: Judge, tmp_path: Path) -> None:
    _, again = judge(model=LINEAR)

    network, _ = fit_forecaster(LINEAR, Train(), of_everything(DATA), tmp_path, tmp_path, lambda epoch: None)

    assert predicted(again()) == pytest.approx(np.asarray(network(DATA.histories(DATA.origins("validation")))))


@pytest.mark.slow
def test_it_runs_as_many_epochs_as_the_judged_network_kept_at_the_rates_of_its_schedule(judge: Judge) -> None:
    """At the learning rate that was found, without a validation set to stop on."""
    told: list[Epoch] = []
    _, again = judge(tested={"best_epoch": 3, "learning_rate": 0.02, "quantiles": None}, **SEARCHED)

    out = again(on_epoch=told.append)

    training = read_document(out / "training.json")
    assert (training["epochs"], training["best_epoch"], training["learning_rate"]) == (3, 3, 0.02)
    assert [epoch.number for epoch in told] == [1, 2, 3]
    epochs = read_table(out / "epochs.parquet")
    assert "val_loss" not in epochs
    # The rates fall as over all twelve epochs: not on a schedule of three, which would end at zero.
    expected = 0.02 * (1 + np.cos(np.pi * np.arange(3) / 12)) / 2
    assert epochs["rate"].to_numpy() == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_it_is_to_the_bit_a_training_on_everything_for_those_epochs_at_that_rate(judge: Judge) -> None:
    how = {"batch_size": 8, "schedule": "constant", "loss": "quantile", "seed": 1}
    judged, again = judge(**SEARCHED | how)
    kept = read_document(judged / "training.json")

    repeated = {"epochs": kept["best_epoch"], "learning_rate": kept["learning_rate"]}
    plain, _ = judge("plain", of_everything(DATA), **repeated | how)

    assert 1 < kept["best_epoch"] < kept["epochs"]
    assert kept["quantiles"] == [0.05, 0.5, 0.95]
    assert content(again()) == content(plain)


@pytest.mark.slow
def test_cut_off_it_goes_on_to_the_weights_of_an_unbroken_one(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("gristmill.training.fit.MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.0)  # a checkpoint after every epoch
    told: list[Epoch] = []
    _, again = judge(epochs=3)
    unbroken = again("unbroken")

    with pytest.raises(KeyboardInterrupt):
        again("cut", on_epoch=interrupt)
    out = again("cut", on_epoch=told.append)

    assert [epoch.number for epoch in told] == [2, 3]
    assert content(out) == content(unbroken)


@pytest.mark.slow
def test_an_average_is_that_of_its_members_each_fitted_on_everything(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the tested weights, and for the epochs and at the rate that each one was tested with."""
    folders = {name: tmp_path / name for name in ("prepared", "selected", "refit")}
    for folder in folders.values():
        folder.mkdir()
    dataset.write(DATA, folders["prepared"])
    models = {"linear": LINEAR, "mine.py:build": OWN}
    how = Train(epochs=4, patience=1, learning_rate=0.1, batch_size=128)
    candidates = fit_candidates(tmp_path, folders["prepared"], models, how=how, files={"mine.py:build": [own]})
    weights = {"linear": 0.6, "mine.py:build": 0.4}
    select(
        select=Select(weights=weights), preprocess=folders["prepared"], candidates=candidates, out=folders["selected"]
    )
    fitted: list[tuple[keras.Model, Any]] = []

    def fit(model: Any, settings: Train, data: Prepared, *places: Path, **named: Any) -> Any:
        network, history = fit_forecaster(model, settings, data, *places, **named)
        fitted.append((network, (model, settings, data.parts.tolist(), named["until"], list(named["files"]))))
        return network, history

    monkeypatch.setattr("gristmill.domains.timeseries.refit.fit_forecaster", fit)
    told: list[Epoch] = []
    refit(
        model=Auto(kind="auto"),
        train=Train(),  # of the pipeline: the candidates have their own
        preprocess=folders["prepared"],
        train_folder=folders["selected"],
        out=folders["refit"],
        candidate_files={"mine.py:build": [own]},
        scratch=tmp_path / "scratch",
        logs=tmp_path / "logs",
        on_epoch=told.append,
    )

    kept = candidates["mine.py:build"].training["best_epoch"]
    until, parts = how.model_copy(update={"patience": None}), of_everything(DATA).parts.tolist()
    assert [arguments for _, arguments in fitted] == [
        (LINEAR, until, parts, 0, []),
        (OWN, until, parts, kept, [own]),
    ]
    windows = DATA.histories(DATA.origins("validation"))
    each = [np.asarray(network(windows)) for network, _ in fitted]
    assert predicted(folders["refit"]) == pytest.approx(0.6 * each[0] + 0.4 * each[1], rel=1e-5)
    assert len(told) == kept > 0


@pytest.mark.slow
def test_asked_for_later_the_judged_network_is_neither_trained_nor_scored_again(
    finished: Path, command: Command, parity_here: None
) -> None:
    judged = records(finished)[-1].references

    assert command("run", "small", "--set", "export.refit=true").status == 0

    record = records(finished)[-1]
    assert list(record.stages) == ["ingest", "preprocess", "train", "evaluate", "refit", "export"]
    assert made(record) == {"refit", "export"}
    assert {name: record.references[name] for name in judged if name != "export"} == {
        name: reference for name, reference in judged.items() if name != "export"
    }
    result = Project.open().result("small", record.id)
    scores = read_document(result.bundle / "scores.json")
    assert scores["refit"] is True
    assert scores["model"] == result.evaluation["model"]

    assert command("run", "small", "--set", "export.refit=true", "--set", "backtest.windows=1").status == 0

    assert made(records(finished)[-1]) == {"backtest 1/1", "evaluate", "export"}  # the refit reads no scores
    assert command("plan", "small").out == "small: all fresh, nothing to do\n"
