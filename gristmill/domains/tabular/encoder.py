"""The Keras layers around the model's own network, so that what is published takes and gives raw values.

Their state is in their configuration: they hold no variables, and `network.py` keeps them in the architecture.
"""

import keras
import numpy as np
import numpy.typing as npt

from gristmill.domains.tabular.dataset import Inputs, Layout, Values
from gristmill.training.saved_network import predictions, tensors

_UNKNOWN = ""  # no name is empty, so none is taken for the mark of unknown names


def encoder(layout: Layout) -> keras.Model:
    """Return the network from raw inputs to encoded rows, (batch, features).

    It takes `numbers`, float32 (batch, numbers), which it standardises, and `categories`, text (batch, categories), of
    each of which it makes a column of 0 and 1 a name, the first for all names that were not in the training part.
    """
    inputs, pieces = {}, []
    if layout.numbers:
        inputs["numbers"] = keras.Input((len(layout.numbers),), name="numbers")
        centre = keras.layers.Rescaling(1.0, [-layout.mean[name] for name in layout.numbers], name="centre")
        scale = keras.layers.Rescaling([1 / layout.deviation[name] for name in layout.numbers], name="scale")
        pieces.append(scale(centre(inputs["numbers"])))  # in two steps, which cost a large mean no digits
    if layout.categories:
        inputs["categories"] = keras.Input((len(layout.categories),), dtype="string", name="categories")
    for at, names in enumerate(layout.categories.values()):
        lookup = keras.layers.StringLookup(
            vocabulary=names, oov_token=_UNKNOWN, output_mode="one_hot", name=f"category_{at}"
        )
        pieces.append(lookup(inputs["categories"][:, at]))
    row = keras.layers.Concatenate(name="row")(pieces) if len(pieces) > 1 else pieces[0]
    return keras.Model(inputs if len(inputs) > 1 else next(iter(inputs.values())), row, name="encoder")


def around(core: keras.Model, layout: Layout) -> keras.Model:
    """Return a network with its encoding inside: raw inputs to predictions in the target's own units, (batch, 1)."""
    encode = encoder(layout)
    restore = keras.layers.Rescaling(layout.deviation[layout.target], layout.mean[layout.target], name="restore")
    return keras.Model(encode.input, restore(core(encode.output)), name="regressor")


def encoded(inputs: Inputs, layout: Layout) -> npt.NDArray[np.float32]:
    """Return encoded rows, (rows, features)."""
    return predictions(encoder(layout), tensors(inputs))


def predicted(network: keras.Model, inputs: Inputs) -> Values:
    """Return a published network's predictions, (rows,)."""
    made: Values = predictions(network, tensors(inputs))[:, 0].astype(np.float64)
    return made
