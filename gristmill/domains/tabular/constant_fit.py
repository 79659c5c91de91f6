"""The network that predicts the same for every row."""

import keras
import numpy as np
from keras import ops

from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import build_encoder


def constant(data: Prepared) -> keras.Model:
    """Return the network of the mean of the training targets, (batch, 1), or of class frequencies, (batch, classes)."""
    encoder, train = build_encoder(data.layout), data.at("train")
    if data.layout.classes:
        values = np.bincount(data.labels[train], minlength=len(data.layout.classes)) / len(train)
    else:
        values = np.array([data.truth[train].mean()])
    layer = keras.layers.Dense(len(values), trainable=False, name="mean")
    output = layer(ops.zeros_like(encoder.output[:, :1]))
    layer.set_weights([np.zeros((1, len(values))), values])
    return keras.Model(encoder.input, output, name="classifier" if data.layout.classes else "regressor")
