"""Training on all devices of a machine at once: each learns from a part of every batch, and all keep the same weights.

A batch is made as for one device, changed images and all, and then divided. What the parts make of it is put together
again: the gradient, before it is clipped, is that of the whole batch, though its parts may differ in size, and so are
loss and accuracy. So training differs from that on one device by rounding alone, and by what dropout draws.
"""

import logging
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gristmill.errors import RequestError
from gristmill.settings.base import Fit
from gristmill.settings.messages import keras_reason
from gristmill.training.precision import set_precision

logger = logging.getLogger(__name__)

_SEEDS = "seed_generator_state"  # Keras's name of the variables that dropout and its like draw from
_APART = 1 << 32  # between the seeds of two devices: more than any seed that Keras draws


def make_strategy(settings: Fit) -> tf.distribute.Strategy:
    """Return how training is spread: over all GPUs, or all logical CPUs where there is none; or not at all."""
    if settings.strategy == "one":
        return tf.distribute.get_strategy()
    devices = [device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    if len(devices) == 1:
        logger.warning("train.strategy is 'mirrored', but one device is visible, %s: it trains alone", devices[0])
        return tf.distribute.get_strategy()
    # Added up on one device, in a fixed order. TensorFlow's collective operations, which it would choose, mix up what
    # belongs together where many updates are made in one call.
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())


def make_learner(network: keras.Model, settings: Fit, strategy: tf.distribute.Strategy) -> keras.Model:
    """Return what is trained in the network's place: itself, or an equal one on all devices or of mixed precision.

    Args:
        network: built on one device, in float32.
        settings: precision.
        strategy: in whose scope this is called.

    Raises:
        RequestError: the network cannot be built anew from its configuration.
    """
    several = strategy.num_replicas_in_sync > 1
    if not several and settings.precision == "float32":
        return network
    try:
        learner = keras.models.model_from_json(network.to_json())
    except (TypeError, ValueError) as error:
        raise RequestError(
            "the model's network cannot be built anew from its configuration, which train.strategy and train.precision "
            f"need ({keras_reason(error)}). Register its own layers: keras.saving.register_keras_serializable."
        ) from None
    copy_weights(network, learner)
    set_precision(learner, settings.precision)
    if several:
        for layer in learner._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True  # mean and variance are those of the whole batch
    return learner


def copy_weights(giver: keras.Model, taker: keras.Model) -> None:
    """Give a network the values of an equal one's variables."""
    for variable, value in zip(taker.variables, giver.variables, strict=True):
        variable.assign(np.asarray(value.value))


def reseed_per_replica(network: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Have each device draw for itself, where a network draws (dropout), from seeds that follow from the first one's.

    A checkpoint holds those of the first device, so this is called once after they were set.
    """
    states = [variable.value for variable in network.variables if variable.name == _SEEDS]

    def move() -> None:
        apart = tf.cast(_number() * _APART, tf.int64)
        for state in states:
            state.assign(state + tf.stack([apart, 0]))

    if strategy.num_replicas_in_sync > 1:
        strategy.run(move)


def distributed_update(learner: keras.Model, batch: tuple[tf.Tensor, ...], strategy: tf.distribute.Strategy) -> None:
    """Update a compiled network by a batch of which each device takes a part, and measure it, within a graph.

    The optimizer must clip at a norm divided by the number of devices (`learning_rate.optimizer`), for Keras clips on
    each device before it adds up: each gives it the same, the whole gradient divided by their number.

    Args:
        learner: made by `make_learner`, compiled with an optimizer made in the scope of the strategy.
        batch: what it takes, what it is to give, and weights of the items, if any.
        strategy: over several devices.
    """
    devices, size = strategy.num_replicas_in_sync, batch[0].shape[0] or tf.shape(batch[0])[0]

    def learn() -> tuple[tf.Tensor, tf.Tensor]:
        begin, count = _part(size, _number(), devices)
        shown = count or 1 if isinstance(count, int) else tf.maximum(count, 1)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(tuple(whole[begin : begin + shown] for whole in batch))
        with tf.GradientTape() as tape:
            made = learner(x, training=True)
            # Keras divides the loss, a mean over the part, by the number of devices.
            loss = learner.compute_loss(x, y, made, weight) * tf.cast(devices * count / size, tf.float32)
            scaled = learner.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, learner.trainable_weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        mean = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
        learner.optimizer.apply(mean, learner.trainable_weights)
        return loss, made[:count]

    with strategy.scope():
        losses, made = map(strategy.experimental_local_results, strategy.run(learn))
    for metric in learner.metrics:
        if metric.name == "loss":
            metric.update_state(tf.add_n(losses), sample_weight=size)
        elif metric.name == "compile_metrics":  # and not of a layer of the user's own
            metric.update_state(batch[1], tf.concat(made, axis=0))


def _number() -> int:
    """Return the number of the device that a function is traced for, from 0."""
    number = tf.distribute.get_replica_context().replica_id_in_sync_group
    return int(tf.get_static_value(number) if tf.is_tensor(number) else number)


def _part(size: Any, number: int, devices: int) -> tuple[Any, Any]:
    """Return where a device's part of a batch begins, and its items: as many as any other's, or one more.

    A device may have none, of a batch smaller than their number. It is shown the item that its part would begin with,
    all the same, for all must take the same steps; that counts for nothing.
    """
    begin = size * number // devices
    return begin, size * (number + 1) // devices - begin
