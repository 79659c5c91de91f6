"""The learning rate: its course over a training, and the range test that finds where to start.

Source of the range test: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gristmill.errors import Diverged
from gristmill.settings.base import Fit

Loss = str | Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Name of a Keras loss, or a function of truth and forecast."""

_LOWEST, _HIGHEST = 1e-6, 1.0
_UPDATES = 200  # of a range test, however long an epoch is: smoothing and suggestion are tuned to them
_MEMORY = 0.9  # share of the smoothed loss that stays from one update to the next
_SETTLED = 10  # updates after which the smoothed loss tells more than the luck of the first batches
_WORSE = 4  # times the best loss: from here on the rate is too high
_FALLEN = 0.9  # share of the loss's fall that is done at the rate to start at


class RateTrial(NamedTuple):
    """One update of a range test."""

    rate: float
    loss: float
    smoothed: float


def schedule(settings: Fit, start: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the rate by the number of updates done, of which an epoch has `steps`."""
    match settings.schedule:
        case "cosine":
            return keras.optimizers.schedules.CosineDecay(start, settings.epochs * steps)
        case "sweep":  # one rate an epoch, tenfold after twenty: the course's way to see which rates a network stands
            return keras.optimizers.schedules.ExponentialDecay(start, steps, 10 ** (1 / 20), staircase=True)
        case "constant":
            return keras.optimizers.schedules.ExponentialDecay(start, steps, 1.0)


def optimizer(
    rate: keras.optimizers.schedules.LearningRateSchedule, settings: Fit, devices: int = 1
) -> keras.optimizers.Optimizer:
    """Return the optimizer with the gradient's norm clipped; of several devices each gives it an equal share of one."""
    kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop}
    clip = None if settings.clip_norm == "none" else settings.clip_norm / devices
    return kinds[settings.optimizer](rate, global_clipnorm=clip)


def range_test(network: keras.Model, batches: tf.data.Dataset, settings: Fit, loss: Loss) -> list[RateTrial]:
    """Raise the rate from 1e-6 to 1 batch by batch and return what the loss did; the network is left as it was.

    It takes 200 updates, and ends early where the loss has become four times its best or is no number.

    Args:
        network: built with `seeded`.
        batches: in an order that depends on the seed alone; begun again where there are too few.
        settings: optimizer and clip_norm.
        loss: that training will have.
    """
    growth = (_HIGHEST / _LOWEST) ** (1 / (_UPDATES - 1))
    before = [np.asarray(variable.value) for variable in network.variables]
    losses = _losses(network, batches.repeat().take(_UPDATES), growth, settings, loss)
    trials = list(_until_worse(losses, growth))
    for variable, value in zip(network.variables, before, strict=True):
        variable.assign(value)
    return trials


def suggest_rate(trials: list[RateTrial]) -> float:
    """Return the rate to start at: the first at which nine tenths of the smoothed loss's fall were done.

    It stands where the fall levels off, well below the rate at which the loss rises again. From one seed to the next it
    moves less than what is often taken instead: a tenth of the rate of the lowest loss, or the steepest descent.

    Raises:
        Diverged: there is no trial, because no loss was a number.
    """
    if not trials:
        raise Diverged(
            'the loss was no finite number at the lowest learning rate already, when train.learning_rate = "find" '
            "looked for one. Look for wild values in the data."
        )
    settled = trials[min(_SETTLED, len(trials)) - 1 :]
    lowest = min(trial.smoothed for trial in settled)
    level = lowest + (1 - _FALLEN) * (settled[0].smoothed - lowest)
    return next(trial.rate for trial in settled if trial.smoothed <= level)


def _losses(
    network: keras.Model, batches: tf.data.Dataset, growth: float, settings: Fit, loss: Loss
) -> Iterator[float]:
    """Train on the batches at a rate that grows with each, and yield their losses."""
    network = keras.Model(network.inputs, network.outputs)  # which shares the weights, and is compiled in its place
    rate = keras.optimizers.schedules.ExponentialDecay(_LOWEST, 1, growth)
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
    yield from (float(compiled(batch)) for batch in batches)


def _until_worse(losses: Iterator[float], growth: float) -> Iterator[RateTrial]:
    """Yield trials with the losses smoothed, up to the one at which they have become far worse or no numbers."""
    mean, best = 0.0, math.inf
    for count, loss in enumerate(losses, 1):
        if not math.isfinite(loss):
            return
        mean = _MEMORY * mean + (1 - _MEMORY) * loss
        smoothed = mean / (1 - _MEMORY**count)  # corrected for having begun at zero
        yield RateTrial(_LOWEST * growth ** (count - 1), loss, smoothed)
        if count >= _SETTLED:
            best = min(best, smoothed)
            if smoothed > _WORSE * best:
                return
