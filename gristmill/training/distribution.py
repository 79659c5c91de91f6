"""Training on all devices of one machine, and in mixed precision.

Each device learns from a part of every batch; all keep equal weights.

A batch is made as for one device, including augmentation, and then split. Gradient (before clipping), loss and accuracy
are those of the whole batch, even if the parts differ in size. Training therefore differs from that on one device only
by rounding and by the random draws of dropout.

In mixed precision, most layers compute in 16 bits; weights, inputs and outputs stay in 32 bits.
"""

import logging
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gristmill.errors import RequestError
from gristmill.settings.base import Fit
from gristmill.settings.messages import keras_reason

logger = logging.getLogger(__name__)

_SEED_OFFSET = 1 << 32  # between the seeds of two devices; larger than any seed that Keras draws


def make_strategy(settings: Fit) -> tf.distribute.Strategy:
    """Return the strategy: on all GPUs, or on all logical CPUs without a GPU, or on a single device."""
    if settings.strategy == "one":
        return tf.distribute.get_strategy()
    devices = [device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    if len(devices) == 1:
        logger.warning("train.strategy is 'mirrored', but only one device is visible: %s", devices[0])
        return tf.distribute.get_strategy()
    # Gradients are added on one device, in a fixed order. TensorFlow's collective operations, its default, pair the
    # wrong tensors when one call makes many updates.
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())


def make_learner(network: keras.Model, settings: Fit, strategy: tf.distribute.Strategy) -> keras.Model:
    """Return the network to train: itself, or an equal one on all devices of the strategy or of mixed precision.

    Raises:
        RequestError: the network cannot be rebuilt from its configuration.
    """
    several = strategy.num_replicas_in_sync > 1
    if not several and settings.precision == "float32":
        return network
    try:
        learner = keras.models.model_from_json(network.to_json())
    except (TypeError, ValueError) as error:
        raise RequestError(
            "the model's network cannot be rebuilt from its configuration, which train.strategy and train.precision "
            f"need ({keras_reason(error)}). Register its own layers: keras.saving.register_keras_serializable."
        ) from None
    copy_weights(network, learner)
    set_precision(learner, settings.precision)
    if several:
        for layer in _with_parts(learner):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True  # mean and variance are those of the whole batch
    return learner


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the values of all variables to a network of the same architecture."""
    for variable, value in zip(target.variables, source.variables, strict=True):
        variable.assign(np.asarray(value.value))


def reseed_per_replica(network: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Give each device its own seeds for dropout, derived from those of the first device.

    A checkpoint holds the seeds of the first device, so call this once after they are set.
    """
    weights = {id(variable) for variable in network.weights}  # Keras counts seeds as variables, but not as weights
    states = [variable.value for variable in network.variables if id(variable) not in weights]

    def add_offset() -> None:
        offset = tf.cast(_replica() * _SEED_OFFSET, tf.int64)
        for state in states:
            state.assign(state + tf.stack([offset, 0]))

    if strategy.num_replicas_in_sync > 1:
        strategy.run(add_offset)


def distributed_update(learner: keras.Model, batch: tuple[tf.Tensor, ...], strategy: tf.distribute.Strategy) -> None:
    """Update a compiled network of `make_learner` with a batch split among several devices, within a graph.

    The optimizer, made in the scope of the strategy, must clip at a norm divided by the number of devices
    (`learning_rate.optimizer`): Keras clips on each device before it adds up, and each device passes the gradient of
    the whole batch divided by their number.
    """
    devices = strategy.num_replicas_in_sync
    size = batch[0].shape[0] or tf.shape(batch[0])[0]

    def learn() -> tuple[tf.Tensor, tf.Tensor]:
        begin, count = _part(size, _replica(), devices)
        # All devices must take the same steps: one with an empty part processes an item that counts for nothing.
        shown = count or 1 if isinstance(count, int) else tf.maximum(count, 1)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(tuple(whole[begin : begin + shown] for whole in batch))
        with tf.GradientTape() as tape:
            predicted = learner(x, training=True)
            # Keras divides the loss, a mean over the part, by the number of devices.
            loss = learner.compute_loss(x, y, predicted, weight) * tf.cast(devices * count / size, tf.float32)
            scaled = learner.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, learner.trainable_weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        mean = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
        learner.optimizer.apply(mean, learner.trainable_weights)
        return loss, predicted[:count]

    with strategy.scope():
        losses, predicted = map(strategy.experimental_local_results, strategy.run(learn))
    for metric in learner.metrics:
        if metric.name == "loss":
            metric.update_state(tf.add_n(losses), sample_weight=size)
        elif metric.name == "compile_metrics":  # not a metric that a custom layer added
            metric.update_state(batch[1], tf.concat(predicted, axis=0))


def _replica() -> int:
    """Return the number of the device that a function is traced for, from 0."""
    number = tf.distribute.get_replica_context().replica_id_in_sync_group
    return int(tf.get_static_value(number) if tf.is_tensor(number) else number)


def _part(size: Any, number: int, devices: int) -> tuple[Any, Any]:
    """Return the beginning and size of a device's part of a batch; sizes differ by at most one and may be 0."""
    begin = size * number // devices
    return begin, size * (number + 1) // devices - begin


def set_precision(network: keras.Model, precision: str) -> None:
    """Set the precision of the layers of a float32 network, from the first with weights to the last but one.

    Layers before the first one with weights (the scaling of inputs), the last layer with weights and all after it
    compute in float32. Batch normalisation computes mean and variance in float32 anyway.
    """
    layers = list(_flat_layers(network))
    weighted = [at for at, layer in enumerate(layers) if layer.weights]
    if precision == "float32" or not weighted:
        return
    for layer in layers[weighted[0] : weighted[-1]]:
        for part in _with_parts(layer):
            part.dtype_policy = precision


def with_loss_scaling(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """Return the optimizer; for float16 one that scales the loss, so that small gradients do not become zero."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer


def _flat_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield a network's layers in order, with those of nested networks in place of these."""
    for layer in network.layers:
        yield from _flat_layers(layer) if isinstance(layer, keras.Model) else [layer]


def _with_parts(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return a layer and all layers within it: a recurrent layer has a cell, a bidirectional one two layers."""
    layers = [layer]
    for owner in layers:  # which grows
        layers += [part for part in dict.fromkeys(_layers_in(vars(owner))) if part not in layers]
    return layers


def _layers_in(values: Any) -> Iterator[keras.layers.Layer]:
    """Yield the layers in nested containers; `keras.tree` cannot sort keys that are layers of a compiled network."""
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, keras.layers.Layer):
            yield value
        elif isinstance(value, dict | list | tuple):
            yield from _layers_in(value)
