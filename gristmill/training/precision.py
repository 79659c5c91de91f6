"""Mixed precision: most layers compute in 16 bits; weights, inputs and outputs stay in 32 bits."""

import keras


def set_precision(network: keras.Model, precision: str) -> None:
    """Set the precision of the layers of a float32 network, from the first with weights to the last but one.

    Layers before the first one with weights (the scaling of inputs), the last layer with weights and all after it
    compute in float32. Batch normalisation computes mean and variance in float32 anyway.
    """
    layers = _flat_layers(network)
    weighted = [at for at, layer in enumerate(layers) if layer.weights]
    if precision == "float32" or not weighted:
        return
    for layer in layers[weighted[0] : weighted[-1]]:
        for part in layer._flatten_layers():  # a recurrent layer has a cell, a bidirectional one two layers
            part.dtype_policy = precision


def with_loss_scaling(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """Return the optimizer; for float16 one that scales the loss, so that small gradients do not become zero."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer


def _flat_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Return a network's layers in order, including those of nested networks."""
    nested = (_flat_layers(layer) if isinstance(layer, keras.Model) else [layer] for layer in network.layers)
    return [layer for layers in nested for layer in layers]
