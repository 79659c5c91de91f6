"""The learning rate: its schedule over a training, and the range test that finds the rate to start with.

Sources: for the range test, Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017; for one cycle,
Smith & Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gristmill.errors import Diverged
from gristmill.settings.base import Fit
from gristmill.training.deadline import check_deadlines

Loss = str | Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Name of a Keras loss, or a function of truth and prediction."""

_LOWEST_RATE, _HIGHEST_RATE = 1e-6, 1.0
_UPDATES = 200  # updates per range test, regardless of the epoch length; the other constants depend on it
_GROWTH = (_HIGHEST_RATE / _LOWEST_RATE) ** (1 / (_UPDATES - 1))  # growth factor of the rate per update
_SMOOTHING = 0.9  # share of the smoothed loss that remains from one update to the next
_SETTLING_UPDATES = 10  # updates after which the smoothed loss no longer depends on the first batches
_DIVERGENCE_FACTOR = 4  # at this multiple of the lowest loss, the rate is too high
_RISE_SHARE, _RISE_FROM = 0.3, 0.04  # share of one cycle's updates with a rising rate, and of the peak to rise from
_FALL_SHARE = 0.9  # share of the loss's fall that is done at the rate to start with


class RateTrial(NamedTuple):
    """One update of a range test."""

    rate: float
    loss: float
    smoothed: float


def schedule(settings: Fit, start: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate by the number of updates done; an epoch has `steps` updates."""
    schedules, total = keras.optimizers.schedules, settings.epochs * steps
    match settings.schedule:
        case "cosine":
            return schedules.CosineDecay(start, total)
        case "one_cycle":  # linear rise, then cosine decay
            rise = max(1, int(_RISE_SHARE * total))
            return schedules.CosineDecay(
                start * _RISE_FROM, max(1, total - rise), warmup_target=start, warmup_steps=rise
            )
        case "sweep":  # constant within an epoch, tenfold every twenty epochs, as in the course
            return schedules.ExponentialDecay(start, steps, 10 ** (1 / 20), staircase=True)
        case "constant":
            return schedules.ExponentialDecay(start, steps, 1.0)


def optimizer(
    rate: keras.optimizers.schedules.LearningRateSchedule, settings: Fit, devices: int = 1
) -> keras.optimizers.Optimizer:
    """Return the optimizer, with the gradient's norm clipped at an equal share for each device."""
    kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop}
    clip = None if settings.clip_norm == "none" else settings.clip_norm / devices
    return kinds[settings.optimizer](rate, global_clipnorm=clip)


def range_test(network: keras.Model, batches: tf.data.Dataset, settings: Fit, loss: Loss) -> list[RateTrial]:
    """Raise the learning rate from 1e-6 to 1 batch by batch and return the losses; the network is restored afterwards.

    It takes 200 updates, for which batches are repeated if there are too few, and ends early if the loss reaches four
    times its minimum or is not a finite number.
    """
    before = [np.asarray(variable.value) for variable in network.variables]
    trials: list[RateTrial] = []
    mean, lowest = 0.0, math.inf
    for count, value in enumerate(_losses(network, batches.repeat().take(_UPDATES), settings, loss), 1):
        if not math.isfinite(value):
            break
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * value
        smoothed = mean / (1 - _SMOOTHING**count)  # corrects for the start at zero
        trials.append(RateTrial(_LOWEST_RATE * _GROWTH ** (count - 1), value, smoothed))
        if count >= _SETTLING_UPDATES:
            lowest = min(lowest, smoothed)
            if smoothed > _DIVERGENCE_FACTOR * lowest:
                break
    for variable, values in zip(network.variables, before, strict=True):
        variable.assign(values)
    return trials


def suggest_rate(trials: list[RateTrial]) -> float:
    """Return the learning rate to start with: the first at which 90% of the smoothed loss's fall is done.

    There the fall levels off, well below the rate at which the loss rises again. It varies less between seeds than the
    usual choices: a tenth of the rate of the lowest loss, or the steepest descent.

    Raises:
        Diverged: there are no trials, because no loss was a finite number.
    """
    if not trials:
        raise Diverged(
            'the loss was not a finite number even at the lowest learning rate, when train.learning_rate = "find" '
            "looked for one. Look for extreme values in the data."
        )
    settled = trials[min(_SETTLING_UPDATES, len(trials)) - 1 :]
    lowest = min(trial.smoothed for trial in settled)
    level = lowest + (1 - _FALL_SHARE) * (settled[0].smoothed - lowest)
    return next(trial.rate for trial in settled if trial.smoothed <= level)


def _losses(network: keras.Model, batches: tf.data.Dataset, settings: Fit, loss: Loss) -> Iterator[float]:
    """Train on the batches at a growing learning rate and yield their losses."""
    network = keras.Model(network.inputs, network.outputs)  # shares the weights, and is compiled instead
    rate = keras.optimizers.schedules.ExponentialDecay(_LOWEST_RATE, 1, _GROWTH)
    network.compile(optimizer(rate, settings), loss=loss, jit_compile=False)
    network.optimizer.build(network.trainable_variables)

    def update(batch: tuple[tf.Tensor, ...]) -> tf.Tensor:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        with tf.GradientTape() as tape:
            loss = network.compute_loss(x, y, network(x, training=True), weight)
        gradients = tape.gradient(loss, network.trainable_weights)
        network.optimizer.apply_gradients(zip(gradients, network.trainable_weights, strict=True))
        return loss

    compiled = tf.function(update)
    for batch in batches:
        check_deadlines()
        yield float(compiled(batch))
