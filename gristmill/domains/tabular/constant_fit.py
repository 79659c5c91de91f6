"""The network that predicts the same for every row."""

import keras
import numpy as np
from keras import ops

from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import only, raw_input


def constant(data: Prepared) -> keras.Model:
    """Return the network of the mean of the training targets, (batch, 1), or of class frequencies, (batch, classes)."""
    inputs, train = raw_input(data.layout), data.at("train")
    if data.layout.classes:
        values = np.bincount(data.labels[train], minlength=len(data.layout.classes)) / len(train)
    else:
        values = np.array([data.truth[train].mean()])
    layer = keras.layers.Dense(len(values), trainable=False, name="mean")
    output = layer(ops.zeros_like(next(iter(inputs.values()))[:, :1], dtype="float32"))
    layer.set_weights([np.zeros((1, len(values))), values])
    return keras.Model(only(inputs), output, name="classifier" if data.layout.classes else "regressor")
