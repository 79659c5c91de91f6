"""Keras layers around the model's network, so that the published network accepts and returns raw values.

Their state is part of the architecture: they hold no variables.
"""

import keras
import numpy as np
import numpy.typing as npt

from gristmill.domains.tabular.dataset import Inputs, Layout, Values
from gristmill.training.saved_network import as_tensors, predict_in_batches

_UNKNOWN = ""  # no name is empty, so it cannot collide with one


def build_encoder(layout: Layout) -> keras.Model:
    """Return the network from raw inputs to encoded rows, (batch, features).

    It standardises `numbers`, float32 (batch, numbers), and encodes `categories`, text (batch, categories), as one
    column of 0 and 1 per name; the first column of a category is for names that are not in the training set.
    """
    inputs, pieces = {}, []
    if layout.numbers:
        inputs["numbers"] = keras.Input((len(layout.numbers),), name="numbers")
        centre = keras.layers.Rescaling(1.0, [-layout.mean[name] for name in layout.numbers], name="centre")
        scale = keras.layers.Rescaling([1 / layout.deviation[name] for name in layout.numbers], name="scale")
        pieces.append(scale(centre(inputs["numbers"])))  # two steps keep precision if the mean is large
    if layout.categories:
        inputs["categories"] = keras.Input((len(layout.categories),), dtype="string", name="categories")
    for at, names in enumerate(layout.categories.values()):
        lookup = keras.layers.StringLookup(
            vocabulary=names, oov_token=_UNKNOWN, output_mode="one_hot", name=f"category_{at}"
        )
        pieces.append(lookup(inputs["categories"][:, at]))
    row = keras.layers.Concatenate(name="row")(pieces) if len(pieces) > 1 else pieces[0]
    return keras.Model(inputs if len(inputs) > 1 else next(iter(inputs.values())), row, name="encoder")


def wrap_network(core: keras.Model, layout: Layout) -> keras.Model:
    """Return the network from raw inputs to predictions in the target's own units, (batch, 1)."""
    encoder = build_encoder(layout)
    restore = keras.layers.Rescaling(layout.deviation[layout.target], layout.mean[layout.target], name="restore")
    return keras.Model(encoder.input, restore(core(encoder.output)), name="regressor")


def encode(inputs: Inputs, layout: Layout) -> npt.NDArray[np.float32]:
    """Return encoded rows, (rows, features)."""
    return predict_in_batches(build_encoder(layout), as_tensors(inputs))


def predict_target(network: keras.Model, inputs: Inputs) -> Values:
    """Return a published network's predictions, (rows,)."""
    predicted: Values = predict_in_batches(network, as_tensors(inputs))[:, 0].astype(np.float64)
    return predicted
