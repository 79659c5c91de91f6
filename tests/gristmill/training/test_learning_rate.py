"""The learning rate: its course over the epochs, and the range test that finds where to start."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill.errors import Diverged
from gristmill.settings.base import Fit
from gristmill.training.learning_rate import Loss, RateTrial, range_test, schedule, suggest_rate
from gristmill.training.seeds import seeded

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 6)).astype(np.float32)
Y = X[:, :1] - X[:, 1:2]


def build() -> keras.Model:
    """A network with dropout and moving averages, whose states change as it is trained."""
    layers = [keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)]
    return keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(1)])


def network() -> keras.Model:
    return seeded(build, 1)


def batches(size: int = 8, targets: Any = Y) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X, targets)).batch(size)


def tried(loss: Loss = "mse", data: tf.data.Dataset | None = None, **settings: Any) -> list[RateTrial]:
    return range_test(network(), data or batches(), Fit(**settings), loss)


def at(rate: Callable[[Any], Any], *updates: int) -> list[float]:
    return [float(rate(update)) for update in updates]


def test_cosine_falls_from_the_rate_to_zero_over_all_updates() -> None:
    rate = schedule(Fit(epochs=10), 0.4, steps=5)
    assert at(rate, 0, 25, 50) == pytest.approx([0.4, 0.2, 0.0])
    assert at(rate, 6)[0] < at(rate, 5)[0]


def test_one_cycle_rises_to_the_rate_and_falls_to_zero() -> None:
    rate = schedule(Fit(epochs=10, schedule="one_cycle"), 0.4, steps=10)

    assert at(rate, 0, 15, 30) == pytest.approx([0.016, 0.208, 0.4], rel=1e-5)
    assert at(rate, 65, 100) == pytest.approx([0.2, 0.0], abs=1e-6)


def test_one_cycle_of_a_single_update_has_a_rate() -> None:
    assert at(schedule(Fit(epochs=1, schedule="one_cycle"), 0.4, steps=1), 0) == pytest.approx([0.016])


def test_constant_stays() -> None:
    assert at(schedule(Fit(schedule="constant"), 0.4, steps=5), 0, 1, 249) == pytest.approx([0.4, 0.4, 0.4])


def test_sweep_is_the_rate_of_the_course_constant_within_an_epoch() -> None:
    rate = schedule(Fit(schedule="sweep", epochs=100), 1e-8, steps=7)
    for epoch in range(100):
        assert at(rate, 7 * epoch, 7 * epoch + 6) == pytest.approx([1e-8 * 10 ** (epoch / 20)] * 2, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 80])  # batches of items: 240 and 3
def test_a_range_test_raises_the_rate_in_200_updates_by_equal_factors_from_a_millionth_to_one(size: int) -> None:
    trials = tried(lambda y, forecast: tf.reduce_mean(0.0 * forecast) + 1.0, batches(size))
    rates = [trial.rate for trial in trials]
    assert (rates[0], rates[-1]) == pytest.approx((1e-6, 1.0))
    assert np.diff(np.log(rates)) == pytest.approx(np.full(199, np.log(1e6) / 199))


@pytest.mark.slow
def test_a_range_test_trains_like_training_does(trials: list[RateTrial]) -> None:
    """Its losses are those of Keras' own training at these rates."""
    same = network()
    optimizer = keras.optimizers.Adam(1e-6, global_clipnorm=0.5)
    same.compile(optimizer, loss="mse", jit_compile=False)
    losses = []
    for trial, batch in zip(trials[:20], batches(), strict=False):
        optimizer.learning_rate = trial.rate
        losses.append(float(same.train_on_batch(*batch)))
        same.reset_metrics()
    assert [trial.loss for trial in trials[:20]] == pytest.approx(losses, rel=1e-4)


@pytest.fixture(scope="module")
def trials() -> list[RateTrial]:
    """The trials of the network on its batches, with a clipped gradient."""
    return tried(clip_norm=0.5)


@pytest.mark.slow
def test_the_smoothed_loss_is_a_mean_that_forgets(trials: list[RateTrial]) -> None:
    for count in (1, 2, 5, len(trials)):
        weights = 0.9 ** np.arange(count)[::-1]
        losses = [trial.loss for trial in trials[:count]]
        assert trials[count - 1].smoothed == pytest.approx(np.average(losses, weights=weights))


@pytest.mark.slow
def test_a_range_test_gives_the_same_every_time_and_leaves_the_network_as_it_was(trials: list[RateTrial]) -> None:
    made, untouched = network(), network()
    assert range_test(made, batches(), Fit(clip_norm=0.5), "mse") == trials
    assert len(made.variables) == len(untouched.variables) == 9
    for one, other in zip(made.variables, untouched.variables, strict=True):
        np.testing.assert_array_equal(one.value, other.value, err_msg=one.path)


@pytest.mark.slow
def test_a_range_test_ends_where_the_loss_has_become_four_times_its_best() -> None:
    """The loss of the batches is 1, and from the sixtieth on 100."""
    targets = np.ones((100, 8, 1), np.float32)
    targets[59:] = 100
    data = tf.data.Dataset.from_tensor_slices((np.zeros((100, 8, 6), np.float32), targets))
    trials = tried(lambda y, forecast: tf.reduce_mean(y + 0.0 * forecast), data)
    assert [trial.loss for trial in trials] == [1.0] * 59 + [100.0]


def test_a_loss_that_is_no_number_ends_a_range_test() -> None:
    targets = Y.copy()
    targets[8 * 24 :] = np.nan  # from the twenty-fifth batch on
    trials = tried(data=batches(targets=targets))
    assert len(trials) == 24
    assert 1e-6 <= suggest_rate(trials) < 1e-5


def test_where_no_loss_was_a_number_there_is_nothing_to_suggest() -> None:
    trials = tried(data=batches(targets=np.full_like(Y, np.nan)))
    assert trials == []
    with pytest.raises(Diverged, match="Look for extreme values"):
        suggest_rate(trials)


def test_the_suggestion_is_the_first_rate_at_which_nine_tenths_of_the_fall_were_done() -> None:
    smoothed = [5.0] * 10 + [4.0, 2.0, 1.5, 1.4, 1.2, 1.0, 1.3, 9.0]  # from 5 to 1: nine tenths are done at 1.4
    trials = [RateTrial(float(count), 1.0, loss) for count, loss in enumerate(smoothed, 1)]
    assert suggest_rate(trials) == 14


def test_the_luck_of_the_first_batches_does_not_count() -> None:
    smoothed = [0.1] * 9 + [5.0, 4.0, 3.0, 4.0]
    trials = [RateTrial(float(count), 1.0, loss) for count, loss in enumerate(smoothed, 1)]
    assert suggest_rate(trials) == 12
    assert suggest_rate(trials[:3]) == 3  # too few to leave any out
