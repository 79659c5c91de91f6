"""Keras layers around the model's network, so that the published network accepts and returns raw values.

Parts of dates are computed in the graph, equal to those of `dataset.date_numbers`.
"""

from collections.abc import Collection
from dataclasses import replace

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.common.trained_model import NetworkModel
from gristmill.domains.tabular.dataset import Inputs, Layout, Prepared, Values
from gristmill.domains.tabular.preprocess import fit_scale, measured
from gristmill.domains.tabular.target_scale import TargetScale
from gristmill.training.saved_network import as_tensors, predict_in_batches, predict_once
from gristmill.util.columns import with_columns

Knots = npt.NDArray[np.float64]  # (measures, pieces + 1): ends of the pieces of each standardised number, ascending
RawInput = dict[str, keras.KerasTensor]
_LENGTH = len("2024-03-01T16")  # characters that are read
_DIGITS = {"year": (0, 1, 2, 3), "month": (5, 6), "day": (8, 9), "hour": (11, 12)}  # positions in a date
_DAYS_TO_1970 = 59 - 477  # days from 1 January to 1 March, less the leap days up to 1970


def build_encoder(layout: Layout, knots: Knots | None = None) -> keras.Model:
    """Return the network from raw inputs to encoded rows, (batch, features).

    It fills empty cells of numbers and of parts of dates with the median, and standardises them; those that were empty
    in training have a column that tells. It encodes a category as one column of 0 and 1 per name, the first for names
    that are rare or unknown, and texts as one column per word, the first for other words.

    With knots, each number has a column for each of its pieces: 0 below the piece, 1 above it, and linear within. The
    first and the last piece have no end.
    Source: Gorishniy, Rubachev & Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS
    2022. A layer of a network that reads the columns of a category multiplies its names with learned embeddings.
    """
    inputs, pieces = raw_input(layout), []
    # 1. Numbers and parts of dates, and which of them are empty
    if names := layout.measures:
        numbers = measures(inputs, layout)
        empty = ops.isnan(numbers)
        centre = keras.layers.Rescaling(1.0, [-layout.mean[name] for name in names], name="centre")
        scale = keras.layers.Rescaling([1 / layout.deviation[name] for name in names], name="scale")
        scaled = scale(centre(fill_empty(numbers, layout)))  # two steps keep precision if the mean is large
        if knots is not None:  # the pieces of each number, (batch, numbers * pieces); those between equal knots are 0
            widths = np.diff(knots, axis=1)
            slopes = np.divide(1, widths, out=np.zeros_like(widths), where=widths > 0)
            layer = keras.layers.EinsumDense("bn,np->bnp", widths.shape, bias_axes="np", trainable=False, name="pieces")
            lines = layer(scaled)
            layer.set_weights([slopes, -knots[:, :-1] * slopes])
            first, inner, last = lines[:, :, :1], lines[:, :, 1:-1], lines[:, :, -1:]
            bent = [ops.minimum(first, 1.0), ops.clip(inner, 0.0, 1.0), ops.maximum(last, 0.0)]
            scaled = keras.layers.Flatten(name="flat")(ops.concatenate(bent, axis=2))
        pieces.append(scaled)
        if layout.missing:
            marked = [empty[:, at : at + 1] for at, name in enumerate(names) if name in layout.missing]
            pieces.append(ops.cast(ops.concatenate(marked, axis=1), "float32"))
    # 2. Names and words
    if layout.categories:
        codes = category_codes(inputs["categories"], layout)
        pieces += [ops.one_hot(codes[:, at], len(known) + 1) for at, known in enumerate(layout.categories.values())]
    for at, words in enumerate(layout.texts.values()):
        pieces.append(present_words(inputs["texts"][:, at], words, f"words_{at}"))
    return keras.Model(only(inputs), joined(pieces), name="encoder")


def measures(inputs: RawInput, layout: Layout) -> keras.KerasTensor:
    """Return numbers and the parts of dates, float32 (batch, measures), NaN where a cell is empty."""
    columns = [inputs["numbers"]] if layout.numbers else []
    columns += [date_parts(inputs["dates"][:, at], f"date_{at}") for at in range(len(layout.dates))]
    return ops.concatenate(columns, axis=1) if len(columns) > 1 else columns[0]


def fill_empty(numbers: keras.KerasTensor, layout: Layout, kept: Collection[str] = ()) -> keras.KerasTensor:
    """Return measures with the median in place of an empty cell, except for those that are kept."""
    median = [np.nan if name in kept else layout.median.get(name, 0.0) for name in layout.measures]
    return ops.where(ops.isnan(numbers), np.array(median, np.float32), numbers)


def category_codes(categories: keras.KerasTensor, layout: Layout) -> keras.KerasTensor:
    """Return the position of each category among the names of its column from 1, and 0 for rare and unknown ones.

    Two layers look up the names of all columns, because a layer for each column makes a wide network slow to save and
    to load: (batch, columns), int64.
    """
    names_by_column = list(layout.categories.values())
    names = list(dict.fromkeys(name for known in names_by_column for name in known))
    unknown = "unknown"
    while unknown in names:
        unknown += "?"
    number_of_name = keras.layers.StringLookup(vocabulary=names, oov_token=unknown, name="names")

    # A pair of a column and a name has the number: number of the name + column * (names + 1).
    first_pairs = np.arange(len(names_by_column)) * (len(names) + 1)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    pairs = [first + numbers[name] for first, known in zip(first_pairs, names_by_column, strict=True) for name in known]
    position_of_pair = keras.layers.IntegerLookup(vocabulary=pairs, name="names_of_columns")
    positions = position_of_pair(number_of_name(categories) + first_pairs)  # among the names of all columns, from 1
    names_before = np.cumsum([0, *map(len, names_by_column)])[:-1]
    return ops.maximum(positions - names_before, 0)


def present_words(text: keras.KerasTensor, words: list[str], name: str) -> keras.KerasTensor:
    """Return a column of 0 and 1 for each word, the first for others: float32 (batch, words + 1)."""
    lookup = keras.layers.TextVectorization(vocabulary=words, output_mode="multi_hot", name=name)
    return ops.cast(lookup(text), "float32")  # the layer gives integers, although Keras infers floats


def joined(pieces: list[keras.KerasTensor]) -> keras.KerasTensor:
    """Return the columns of a row side by side."""
    return keras.layers.Concatenate(name="row")(pieces) if len(pieces) > 1 else pieces[0]


def raw_input(layout: Layout) -> RawInput:
    """Return the inputs of a network, by name: numbers, and as text categories, dates and texts."""
    return {
        role: keras.Input((len(columns),), dtype="float32" if role == "numbers" else "string", name=role)
        for role, columns in layout.inputs_by_role.items()
    }


def only(inputs: RawInput) -> keras.KerasTensor | RawInput:
    """Return the inputs of a model: a single one without its name."""
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))


def wrap_network(
    core: keras.Model, layout: Layout, knots: Knots | None = None, scale: TargetScale | None = None
) -> keras.Model:
    """Return the network from raw inputs to predictions: numbers in the target's own units, or probabilities."""
    encoder = build_encoder(layout, knots)
    return predictor(encoder, core(encoder.output), layout, scale)


def predictor(
    encoder: keras.Model, value: keras.KerasTensor, layout: Layout, scale: TargetScale | None = None
) -> keras.Model:
    """Return the network from raw inputs to predictions, given what it learns: a scaled target, or logits."""
    if layout.classes:
        return keras.Model(encoder.input, probabilities(value), name="classifier")
    scale = scale or TargetScale.of_layout(layout)
    return keras.Model(encoder.input, scale.restore_in_graph(value), name="regressor")


def encode(inputs: Inputs, layout: Layout, knots: Knots | None = None) -> npt.NDArray[np.float32]:
    """Return encoded rows, (rows, features)."""
    return predict_once(build_encoder(layout, knots), as_tensors(inputs))


def predict_target(network: keras.Model, inputs: Inputs, once: bool = False) -> Values:
    """Return a published network's predictions: numbers (rows,), or probabilities (rows, classes).

    `once`: the network is not used again.
    """
    outputs = network.output_shape[1]
    if not len(inputs):
        return np.empty((0, outputs) if outputs > 1 else 0)
    predict = predict_once if once else predict_in_batches
    predicted: Values = predict(network, as_tensors(inputs)).astype(np.float64)
    return predicted if outputs > 1 else predicted[:, 0]


class RowModel(NetworkModel):
    """A network that predicts a number, or a probability of each class."""

    def predict(self, examples: Inputs) -> Values:
        """Return the predictions of rows: numbers (rows,), or probabilities (rows, classes)."""
        return predict_target(self.network, examples)


def standardised(data: Prepared) -> Layout:
    """Return the layout with the scale of the rows to fit on, whatever scale the settings ask for."""
    layout, train = data.layout, data.at("train")
    columns = measured(data.table.iloc[train], layout.numbers, layout.dates)
    if not layout.classes:
        columns = with_columns(columns, {layout.target: data.truth[train]})
    mean, deviation = fit_scale(columns, "standard")
    return replace(layout, mean=mean, deviation=deviation)


def quantile_knots(data: Prepared, layout: Layout, pieces: int) -> Knots | None:
    """Return knots at quantiles of the training rows; None without numbers.

    A number with few different values has fewer pieces; its last knot but one is repeated.
    """
    if not layout.measures:
        return None
    columns = measured(data.table.iloc[data.at("train")], layout.numbers, layout.dates)
    knots = np.empty((columns.shape[1], pieces + 1))
    for row, name in zip(knots, map(str, columns), strict=True):
        scaled = (columns[name].dropna().to_numpy() - layout.mean[name]) / layout.deviation[name]
        ends = np.unique(np.quantile(scaled, np.linspace(0, 1, pieces + 1))) if len(scaled) else np.zeros(1)
        row[:] = ends[-2:][0]
        row[: len(ends) - 1] = ends[:-1]
        row[-1] = ends[-1]
    return knots


def date_parts(cells: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Return the parts of ISO dates, float32 (batch, parts), from text (batch,); NaN where a cell is empty.

    Days are counted from 1 March of the year 0, so that a leap day ends a year.
    Source: Reingold & Dershowitz, "Calendrical calculations", Cambridge University Press, 2018, chapter 2.
    """
    split = keras.layers.TextVectorization(
        standardize=None, split="character", vocabulary=[*"0123456789"], output_sequence_length=_LENGTH, name=name
    )
    tokens = split(cells)  # (batch, characters): below 2 for none and others, 2 to 11 for digits
    digits = ops.cast(ops.maximum(tokens - 2, 0), "float32")
    read = {}
    for part, positions in _DIGITS.items():  # the number that the digits at its positions make
        read[part] = sum(10.0 ** (len(positions) - 1 - at) * digits[:, place] for at, place in enumerate(positions))
    late = ops.cast(read["month"] < 2.5, "float32")  # January and February belong to the year before
    year, month = read["year"] - late, read["month"] - 3 + 12 * late
    leap_days = _whole(year, 4) - _whole(year, 100) + _whole(year, 400)
    days = 365 * (year - 1970) + leap_days + _whole(153 * month + 2, 5) + read["day"] - 1 + _DAYS_TO_1970
    weekday = days + 3 - 7 * _whole(days + 3, 7)
    parts = ops.stack([read["year"], read["month"], weekday, read["hour"], days], axis=1)
    return ops.where(tokens[:, :1] < 2, np.float32(np.nan), parts)


def _whole(number: keras.KerasTensor, divisor: int) -> keras.KerasTensor:
    """Return the integer quotient of a whole number; the half keeps it from a rounding error of the division."""
    return ops.floor((number + 0.5) / divisor)
