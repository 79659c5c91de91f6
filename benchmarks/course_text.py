"""The course's text classifiers, rewritten from its published settings, for `classifiers.py`.

They use the legacy Keras `Tokenizer` and `pad_sequences`, then `fit` with its default batch size of 32. The course's
recurrent networks on IMDB read whole reviews as subwords, by an encoder that TensorFlow Datasets has deprecated. Here
they read 120 words, as the course's other networks do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from course_vision import Made, trained

Layers = list[keras.Layer]
Texts = tuple[list[str], np.ndarray]  # and their labels, 0 or 1

UNKNOWN = "<OOV>"  # the course's token for words outside the vocabulary

legacy = tf.keras.preprocessing.text  # used only in benchmarks


@dataclass(frozen=True)
class Course:
    """The course's network for one pipeline, and its sequences."""

    layers: Callable[[], Layers]
    vocabulary: int = 10_000
    length: int = 120
    dimensions: int = 16
    padding: str = "pre"


def after(layer: Callable[[], keras.Layer], units: int) -> Callable[[], Layers]:
    return lambda: [layer(), keras.layers.Dense(units, activation="relu")]


def recurrent(cell: type[keras.Layer], width: int) -> Callable[[], keras.Layer]:
    return lambda: keras.layers.Bidirectional(cell(width))


def stacked() -> Layers:
    first = keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True))
    return [first, keras.layers.Bidirectional(keras.layers.LSTM(32)), keras.layers.Dense(64, activation="relu")]


def convolution(pooling: type[keras.Layer], units: int) -> Callable[[], Layers]:
    return lambda: [
        keras.layers.Conv1D(128, 5, activation="relu"),
        pooling(),
        keras.layers.Dense(units, activation="relu"),
    ]


ROWS = {
    "imdb_flatten": Course(after(keras.layers.Flatten, 6)),
    "imdb_average": Course(after(keras.layers.GlobalAveragePooling1D, 6)),
    "imdb_conv": Course(convolution(keras.layers.GlobalAveragePooling1D, 64), dimensions=64),
    "imdb_lstm": Course(after(recurrent(keras.layers.LSTM, 64), 64), dimensions=64),
    "imdb_bilstm_stacked": Course(stacked, dimensions=64),
    "sarcasm": Course(after(keras.layers.GlobalAveragePooling1D, 24), length=100, padding="post"),
    "sarcasm_bilstm": Course(after(recurrent(keras.layers.LSTM, 32), 24), vocabulary=1000, padding="post"),
    "sarcasm_gru": Course(after(recurrent(keras.layers.GRU, 32), 24), vocabulary=1000, padding="post"),
    "sarcasm_conv": Course(convolution(keras.layers.GlobalMaxPooling1D, 24), vocabulary=1000, padding="post"),
}


def texts(name: str, seed: int, epochs: int, train: Texts, test: Texts, gap: bool = True) -> Made:
    """Train the course's network on texts."""
    row = ROWS[name]
    tokenizer = legacy.Tokenizer(num_words=row.vocabulary, oov_token=UNKNOWN)
    tokenizer.fit_on_texts(train[0])

    def padded(part: Texts) -> tuple[np.ndarray, np.ndarray]:
        sequences = tokenizer.texts_to_sequences(part[0])
        how = {"maxlen": row.length, "padding": row.padding, "truncating": "post"}
        return keras.utils.pad_sequences(sequences, **how), part[1]

    keras.utils.set_random_seed(seed)
    embedding = keras.layers.Embedding(row.vocabulary, row.dimensions)
    head = keras.layers.Dense(1, activation="sigmoid")
    network = keras.Sequential([keras.Input((row.length,)), embedding, *row.layers(), head])
    network.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    seen, unseen = padded(train), padded(test)
    return trained(network, seen, unseen, epochs, seen if gap else None)
