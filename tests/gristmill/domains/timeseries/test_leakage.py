"""Nothing sees its own future, for any settings: windows, forecasts, scales, trained weights, blocks of a backtest.

Each test changes what must not be known and looks whether anything notices.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gristmill.domains.timeseries.backtest import block_parts
from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import PARTS, Prepared
from gristmill.domains.timeseries.data.windows import history_index, sequence_index, target_index
from gristmill.domains.timeseries.fits.normalisation import in_raw_units
from gristmill.domains.timeseries.forecasts import by_network
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.models.sequence import Gru
from gristmill.domains.timeseries.settings import Backtest, Train
from gristmill.domains.timeseries.train import fit_forecaster
from gristmill.errors import DataError
from helpers.small_runs import assembled, networks

steps = st.integers(1, 6)
cuts = st.fixed_dictionaries(
    {
        "history": steps,
        "horizon": steps,
        "stride": steps,
        "validation": st.integers(0, 8),
        "test": st.integers(1, 8),
    }
)


@st.composite
def series(draw: st.DrawFn) -> Prepared:
    """Several series of several columns, ragged, with filled holes, cut anyhow."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=4))
    starts = draw(st.lists(st.integers(0, 10), min_size=len(lengths), max_size=len(lengths)))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    holes = draw(st.sets(st.integers(0, sum(lengths) - 1), max_size=5))
    values = [random.normal(50, 9, size=(length, 4)) for length in lengths]
    try:
        return assembled(*values, inputs=1, known=1, starts=starts, filled=sorted(holes), **draw(cuts))
    except DataError:  # too short for its parts
        assume(False)
        raise


def later_changed(data: Prepared, position: int, channels: int = 3) -> Prepared:
    """Return series whose values from a position on are wild: of its own series, and of all others everywhere."""
    values = data.values.copy()
    first = data.bounds[data.series_of(np.array([position]))[0], 0]
    values[position:, :channels] = 1e6
    values[:first] = -1e6
    return replace(data, values=values)


@given(data=series(), part=st.sampled_from(PARTS))
def test_no_window_sees_a_value_from_its_origin_on_or_of_another_series(data: Prepared, part: str) -> None:
    starts = data.origins(part)
    seen = data.histories(starts)[:, :, :3]

    for origin, window in zip(starts, seen, strict=True):
        again = later_changed(data, origin).histories(np.array([origin]))[0, :, :3]
        assert np.array_equal(again, window)


@given(data=series())
def test_targets_of_training_end_before_validation_begins_and_those_before_test(data: Prepared) -> None:
    horizon = data.layout.horizon
    judged = {part: target_index(data.origins(part), horizon) for part in PARTS}
    times = {part: set(data.times[index.ravel()]) for part, index in judged.items()}

    for earlier, later in (("train", "validation"), ("validation", "test"), ("train", "test")):
        if times[earlier] and times[later]:
            assert max(times[earlier]) < min(times[later])  # of all series together
    for part, index in judged.items():
        owners = data.series_of(data.origins(part))
        begin, end = data.part(part)[owners].T
        assert (index >= begin[:, np.newaxis]).all()
        assert (index < end[:, np.newaxis]).all()
        assert not data.filled[index].any()


@given(data=series())
def test_no_step_of_a_sequence_is_judged_on_what_it_sees_or_on_a_later_part(data: Prepared) -> None:
    starts, layout = data.origins("train"), data.layout
    seen = history_index(starts, layout.history)
    judged = sequence_index(starts, layout.history, layout.horizon)

    assert (judged > seen[..., np.newaxis]).all()
    ends = data.part("train")[data.series_of(starts), 1]
    assert (judged < ends[:, np.newaxis, np.newaxis]).all()


@pytest.mark.parametrize(
    ("model", "normalise"),
    [(Gru(kind="gru", units=(3,)), "reversible")]
    + [(Dense(kind="dense", units=(4,)), normalise) for normalise in ("none", "last", "mean", "reversible")],
    ids=lambda given: getattr(given, "kind", given),
)
def test_no_forecast_changes_with_what_comes_from_its_origin_on(model: Any, normalise: str) -> None:
    random = np.random.default_rng(0)
    tables = [random.normal(50, 9, size=(30, 4)) for _ in range(2)]
    data = assembled(
        *tables, inputs=1, known=1, history=5, horizon=2, test=8, normalise=normalise, residual=normalise == "mean"
    )
    keras.utils.set_random_seed(0)
    network = in_raw_units(networks(model, Train(), data.layout)[1], data.layout, sequence=False)
    starts = data.origins("test")
    forecasts = by_network(network, data, starts)

    for origin, forecast in zip(starts[::3], forecasts[::3], strict=True):
        again = by_network(network, later_changed(data, origin), np.array([origin]))[0]
        assert again == pytest.approx(forecast, rel=1e-6)
        before = by_network(network, later_changed(data, origin - 1), np.array([origin]))[0]
        assert np.abs(before - forecast).max() > 1  # the last value before it does count


def weights(data: Prepared, model: Any, how: Train, folder: Path) -> list[npt.NDArray[Any]]:
    """Return the weights that training on series gives, the scale in them included."""
    network, _ = fit_forecaster(model, how, data, folder / "scratch", folder / "logs", lambda epoch: None)
    scale = [np.array([data.layout.mean, data.layout.deviation])]
    return scale + network.get_weights()


def same(first: list[npt.NDArray[Any]], second: list[npt.NDArray[Any]]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


SOLVED, TRAINED = Train(), Train(epochs=1, batch_size=128)
CHOSEN = Train(epochs=3, patience=1, batch_size=128)


@pytest.mark.parametrize(
    ("how", "window", "gap", "training"),
    [
        (SOLVED, 0, None, "expanding"),
        (SOLVED, 1, 0, "expanding"),
        (SOLVED, 1, 3, 25),
        (TRAINED, 1, 0, "expanding"),
        pytest.param(CHOSEN, 0, None, 25, marks=pytest.mark.slow),
    ],
    ids=["solved", "solved without a gap", "solved on a sliding part", "trained", "chosen by validation"],
)
def test_nothing_learned_for_a_block_changes_with_values_from_its_begin_on(
    how: Train, window: int, gap: int | None, training: Any, tmp_path: Path
) -> None:
    model = Linear(kind="linear") if how is SOLVED else Dense(kind="dense", units=(3,))
    random = np.random.default_rng(0)
    tables = [random.normal(50, 9, size=(80, 1)).cumsum(axis=0) for _ in range(2)]
    data = assembled(*tables, history=5, horizon=2, validation=8, test=8)
    around_block = Backtest(windows=2, size=6, gap=gap, training=training)
    parts = block_parts(data, around_block, window, with_validation=how.patience is not None)
    changed = data.values.copy()
    for begin, (_, end) in zip(parts[:, 2, 0], data.bounds, strict=True):
        changed[begin:end] += 1e4

    before = weights(data.cut_at(parts), model, how, tmp_path / "before")
    after = weights(replace(data, values=changed).cut_at(parts), model, how, tmp_path / "after")
    changed[parts[0, 0, 1] - 1] += 1e4
    noticed = weights(replace(data, values=changed).cut_at(parts), model, how, tmp_path / "noticed")

    assert same(before, after)
    assert not same(before, noticed)  # a value of the training set counts


def test_a_block_keeps_its_distance_from_what_its_network_was_fitted_on() -> None:
    """Neither a target of training nor one of the validation windows that choose its epoch reaches into the block."""
    data = assembled(np.arange(100.0), history=5, horizon=3, validation=10, test=10, scale="none")

    for window in range(3):
        cut = data.cut_at(block_parts(data, Backtest(windows=3), window, with_validation=True))
        begin = cut.part("test")[0, 0]
        fitted = np.concatenate([target_index(cut.origins(name), 3).ravel() for name in ("train", "validation")])
        assert fitted.max() < begin - 3
        assert target_index(cut.origins("train"), 3).max() < cut.part("validation")[0, 0]


def test_a_scale_fitted_on_everything_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the scale finds the mistake it is there for."""
    data = assembled(np.random.default_rng(0).normal(size=60), test=20)
    changed = replace(data, values=np.where(np.arange(60)[:, np.newaxis] < 40, data.values, 1e4).astype(np.float32))

    assert data.cut_at(data.parts).layout == changed.cut_at(data.parts).layout
    monkeypatch.setattr(dataset, "inside", lambda length, bounds: np.ones(length, bool))
    assert data.cut_at(data.parts).layout != changed.cut_at(data.parts).layout
