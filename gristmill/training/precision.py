"""Mixed precision: most of a network computes in 16 bits; its weights, what it takes and what it gives stay in 32."""

from collections.abc import Iterator

import keras


def set_precision(network: keras.Model, precision: str) -> None:
    """Have a network's layers compute in a precision, from the first one with weights to the last but one.

    What comes before them, the scaling of inputs, and the last layer with weights and all after it compute in float32.
    Batch normalisation takes its mean and variance in float32 whatever its precision.

    Args:
        network: of float32, changed in place.
        precision: `mixed_float16`, `mixed_bfloat16` or `float32`, which changes nothing.
    """
    layers = list(_layers(network))
    weighted = [at for at, layer in enumerate(layers) if layer.weights]
    if precision == "float32" or not weighted:
        return
    for layer in layers[weighted[0] : weighted[-1]]:
        for part in layer._flatten_layers():  # a recurrent layer has a cell, a bidirectional one two layers
            part.dtype_policy = precision


def with_loss_scaling(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """Return the optimizer; for float16 one that scales the loss, so that small gradients do not become zero."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer


def _layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield a network's layers in order, those of the networks within it too."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
