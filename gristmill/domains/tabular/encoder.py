"""Keras layers around the model's network, so that the published network accepts and returns raw values."""

from dataclasses import replace

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.tabular.dataset import Inputs, Layout, Prepared, Values
from gristmill.domains.tabular.preprocess import fit_scale
from gristmill.domains.tabular.target_scale import TargetScale
from gristmill.training.saved_network import as_tensors, predict_in_batches

_UNKNOWN = ""  # no name is empty, so it cannot collide with one

Knots = npt.NDArray[np.float64]  # (numbers, pieces + 1): ends of the pieces of each standardised number, ascending


def build_encoder(layout: Layout, knots: Knots | None = None) -> keras.Model:
    """Return the network from raw inputs to encoded rows, (batch, features).

    It standardises `numbers`, float32 (batch, numbers), and encodes `categories`, text (batch, categories), as one
    column of 0 and 1 per name; the first column of a category is for names that are not in the training set.

    With knots, each number has a column for each of its pieces: 0 below the piece, 1 above it, and linear within. The
    first and the last piece have no end.
    Source: Gorishniy, Rubachev & Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS
    2022. A layer of a network that reads the columns of a category multiplies its names with learned embeddings.
    """
    inputs, pieces = raw_input(layout), []
    if layout.numbers:
        centre = keras.layers.Rescaling(1.0, [-layout.mean[name] for name in layout.numbers], name="centre")
        scale = keras.layers.Rescaling([1 / layout.deviation[name] for name in layout.numbers], name="scale")
        numbers = scale(centre(inputs["numbers"]))  # two steps keep precision if the mean is large
        pieces.append(numbers if knots is None else _piecewise_linear(numbers, knots))
    for at, names in enumerate(layout.categories.values()):
        lookup = keras.layers.StringLookup(
            vocabulary=names, oov_token=_UNKNOWN, output_mode="one_hot", name=f"category_{at}"
        )
        pieces.append(lookup(inputs["categories"][:, at]))
    row = keras.layers.Concatenate(name="row")(pieces) if len(pieces) > 1 else pieces[0]
    return keras.Model(only(inputs), row, name="encoder")


def raw_input(layout: Layout) -> dict[str, keras.KerasTensor]:
    """Return the inputs `numbers` and `categories`, as far as the table has them."""
    inputs = {}
    if layout.numbers:
        inputs["numbers"] = keras.Input((len(layout.numbers),), name="numbers")
    if layout.categories:
        inputs["categories"] = keras.Input((len(layout.categories),), dtype="string", name="categories")
    return inputs


def only(inputs: dict[str, keras.KerasTensor]) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
    """Return the inputs of a model: a single one without its name."""
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))


def wrap_network(
    core: keras.Model, layout: Layout, knots: Knots | None = None, scale: TargetScale | None = None
) -> keras.Model:
    """Return the network from raw inputs to predictions in the target's own units, (batch, 1)."""
    encoder, scale = build_encoder(layout, knots), scale or TargetScale.of_layout(layout)
    return keras.Model(encoder.input, scale.restore(core(encoder.output)), name="regressor")


def encode(inputs: Inputs, layout: Layout, knots: Knots | None = None) -> npt.NDArray[np.float32]:
    """Return encoded rows, (rows, features)."""
    return predict_in_batches(build_encoder(layout, knots), as_tensors(inputs))


def predict_target(network: keras.Model, inputs: Inputs) -> Values:
    """Return a published network's predictions, (rows,)."""
    if not len(inputs):
        return np.empty(0)
    predicted: Values = predict_in_batches(network, as_tensors(inputs))[:, 0].astype(np.float64)
    return predicted


def standardised(data: Prepared) -> Layout:
    """Return the layout with the scale of the rows to fit on, whatever scale the settings ask for."""
    layout = data.layout
    mean, deviation = fit_scale(data.table.loc[data.parts == "train", [*layout.numbers, layout.target]], "standard")
    return replace(layout, mean=mean, deviation=deviation)


def quantile_knots(data: Prepared, layout: Layout, pieces: int) -> Knots | None:
    """Return knots at quantiles of the training rows; None without numbers.

    A number with few different values has fewer pieces; its last knot but one is repeated.
    """
    if not layout.numbers:
        return None
    numbers = data.table.loc[data.parts == "train", layout.numbers].to_numpy(np.float64)
    scaled = (numbers - [layout.mean[name] for name in layout.numbers]) / [
        layout.deviation[name] for name in layout.numbers
    ]
    knots = np.empty((scaled.shape[1], pieces + 1))
    for row, column in zip(knots, scaled.T, strict=True):
        found = np.unique(np.quantile(column, np.linspace(0, 1, pieces + 1)))
        row[:] = found[-2:][0]
        row[: len(found) - 1], row[-1] = found[:-1], found[-1]
    return knots


def _piecewise_linear(numbers: keras.KerasTensor, knots: Knots) -> keras.KerasTensor:
    """Return the pieces of each number, (batch, numbers * pieces); pieces between equal knots are 0."""
    widths = np.diff(knots, axis=1)
    slopes = np.divide(1, widths, out=np.zeros_like(widths), where=widths > 0)
    layer = keras.layers.EinsumDense("bn,np->bnp", widths.shape, bias_axes="np", trainable=False, name="pieces")
    scaled = layer(numbers)
    layer.set_weights([slopes, -knots[:, :-1] * slopes])
    first, inner, last = scaled[:, :, :1], scaled[:, :, 1:-1], scaled[:, :, -1:]
    joined = [ops.minimum(first, 1.0), ops.clip(inner, 0.0, 1.0), ops.maximum(last, 0.0)]
    return keras.layers.Flatten(name="flat")(ops.concatenate(joined, axis=2))
