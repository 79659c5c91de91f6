"""What holds of every network, also of one that is added: it builds to its shape, trains, is kept and exported."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.timeseries.models import Shape
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import fit_forecaster
from gristmill.export import bundle
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network
from helpers.small_runs import assembled

PACKAGE = "gristmill.domains.timeseries.models"
KINDS = [kind for kind in kinds(PACKAGE) if hasattr(settings_of(kind, PACKAGE), "build")]

SMALL: dict[str, dict[str, Any]] = {
    "bidirectional": {"units": (3,), "cell": "gru"},
    "conv": {"filters": (4, 3), "kernel": 2},
    "conv_lstm": {"filters": 4, "kernel": 3, "units": (3,), "dense": (3,)},
    "dense": {"units": (5,)},
    "gru": {"units": (3,)},
    "lstm": {"units": (3,)},
    "multiscale": {"units": (4,), "lags": 3},
    "rnn": {"units": (3,)},
}

ANY_LENGTH = [kind for kind in KINDS if kind not in ("dense", "multiscale")]
SEQUENCES = [kind for kind in ANY_LENGTH if kind != "bidirectional"]
COVERED = ("gru", "lstm")  # their layers are those of bidirectional and conv_lstm

SHAPE = Shape(history=7, horizon=3, channels=3, known=1, outputs=6)
WINDOWS = np.random.default_rng(0).normal(size=(5, 7, 4)).astype(np.float32)


def model(kind: str) -> Any:
    """Return small settings of a model."""
    return settings_of(kind, PACKAGE).model_validate({"kind": kind} | SMALL.get(kind, {}))


def built(kind: str, **differing: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    return model(kind).build(Shape(**vars(SHAPE) | differing))


def predicted(network: Any, windows: Any) -> Any:
    return np.asarray(network(windows))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_takes_windows_and_gives_what_its_shape_asks(kind: str) -> None:
    network = built(kind)

    assert network.input_shape == (None, None if kind in ANY_LENGTH else 7, 4)
    assert network.output_shape == (None, 6)
    assert predicted(network, WINDOWS).shape == (5, 6)
    assert not hasattr(network, "optimizer") or network.optimizer is None  # training compiles it


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_of_the_last_step_counts(kind: str) -> None:
    changed = np.stack([WINDOWS] * 5)  # the first as it is, and one for each column
    for column in range(4):
        changed[1 + column, :, -1, column] += 3

    before, *after = predicted(built(kind), changed.reshape(-1, 7, 4)).reshape(5, 5, 6)

    for column in range(4):
        assert np.abs(after[column] - before).max() > 1e-4, column


@pytest.mark.parametrize("kind", ANY_LENGTH)
def test_a_model_of_any_length_takes_longer_histories(kind: str) -> None:
    longer = np.concatenate([WINDOWS[::-1], WINDOWS], axis=1)

    assert predicted(built(kind), longer).shape == (5, 6)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(ANY_LENGTH)))
def test_a_model_of_one_length_takes_no_other(kind: str) -> None:
    with pytest.raises(ValueError, match=r"expected shape=\(None, 7, 4\)"):
        built(kind)(np.concatenate([WINDOWS, WINDOWS], axis=1))


@pytest.mark.parametrize("kind", SEQUENCES)
def test_the_last_forecast_of_a_sequence_is_the_forecast(kind: str) -> None:
    last, sequence = built(kind), built(kind, sequence=True)
    sequence.set_weights([2 * weights for weights in last.get_weights()])
    last.set_weights(sequence.get_weights())

    made = predicted(sequence, WINDOWS)

    assert sequence.output_shape == (None, None, 6)
    assert made.shape == (5, 7, 6)
    assert made[:, -1] == pytest.approx(predicted(last, WINDOWS), abs=1e-6)


@pytest.mark.parametrize("kind", SEQUENCES)
def test_no_step_of_a_sequence_sees_a_later_one(kind: str) -> None:
    network, changed = built(kind, sequence=True), WINDOWS.copy()
    changed[:, 4:] += 100

    before, after = np.split(predicted(network, np.concatenate([WINDOWS, changed])), 2)

    assert after[:, :4] == pytest.approx(before[:, :4], abs=1e-6)
    assert (np.abs(after[:, 4:] - before[:, 4:]).max(axis=(0, 2)) > 1e-4).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in COVERED])
def test_a_network_is_trained_and_reads_back_bit_by_bit_and_exports(kind: str, tmp_path: Path) -> None:
    """Two targets, an input and a known column; in raw values."""
    values = np.random.default_rng(0).normal(50, 9, size=(60, 4))
    data = assembled(values, inputs=1, known=1, history=7, horizon=3, validation=10, test=10)
    told: list[Any] = []
    arguments = (model(kind), Train(epochs=2), data, tmp_path / "scratch", tmp_path / "logs")

    network, course = fit_forecaster(*arguments, told.append)

    assert network.output_shape == (None, 3, 2)
    assert len(told) == len(course.curve("loss")) == 2
    windows = data.histories(data.origins("test"))
    forecast = predicted(network, windows)
    assert np.isfinite(forecast).all()
    saved_network.write(network, tmp_path)
    assert predicted(saved_network.read(tmp_path), windows).tobytes() == forecast.tobytes()
    bundle.export_network(network, ("saved_model", "keras"), tmp_path)
    for form in ("saved_model", "keras"):
        assert bundle.load(tmp_path, form)(windows) == pytest.approx(forecast, rel=1e-5), form
