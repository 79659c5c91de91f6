"""A text classifier complete in itself: tokenizer, padding and network, from raw strings to probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.labelled import Labels
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.tokenizer import Tokenizer, pad_tokens
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, write_document

_MAX_BATCH_TEXTS, _MAX_BATCH_CHARACTERS = 256, 1 << 19  # with the padding of the shorter ones


@dataclass(frozen=True)
class LabelledTexts:
    """The texts that a classifier is fitted on."""

    texts: Sequence[str]
    labels: Labels  # (texts,)
    classes: int


@dataclass(frozen=True)
class Padding:
    """How the tokens of texts become a matrix."""

    length: int  # maximum number of tokens
    pad: str = "post"  # side on which short texts are padded: pre or post
    truncate: str = "post"  # side on which long texts are truncated: pre or post

    def padded(self, tokens: tf.RaggedTensor, full: bool) -> tf.Tensor:
        """Return tokens, (batch, any length), as int32 (batch, width), in a graph.

        The width is the length if `full`, otherwise that of the longest text of the batch.
        """
        if full:
            return tf.ensure_shape(pad_tokens(tokens, self.length, self.pad, self.truncate), (None, self.length))
        padded = pad_tokens(tokens, self.length, self.pad, self.truncate, to_longest=True)
        return tf.pad(padded, [[0, 0], [0, tf.cast(tf.shape(padded)[1] == 0, tf.int32)]])


@dataclass(frozen=True)
class TextModel:
    """A classifier of raw strings."""

    tokenizer: Tokenizer
    padding: Padding
    network: keras.Model  # from padded tokens, int32 (batch, width), to probabilities (batch, classes)

    def probabilities(self, texts: Sequence[str]) -> Probabilities:
        """Return the probabilities of texts: (texts, classes)."""
        return in_batches(self._graph, texts, self.network.output_shape[1])

    @cached_property
    def _graph(self) -> Callable[[tf.Tensor], tf.Tensor]:
        return as_graph(self.classify)

    def classify(self, texts: tf.Tensor) -> tf.Tensor:
        """Return the probabilities of texts, (batch,), in a graph: (batch, classes)."""
        return self.network(self.padding.padded(self.tokenizer.encode(texts), self.full_width), training=False)

    @property
    def full_width(self) -> bool:
        """Whether the network takes only texts that are padded to the maximum length."""
        return self.network.input_shape[1] is not None

    def write(self, folder: Path) -> None:
        """Write the network, the tokenizer and `padding.json`."""
        saved_network.write(self.network, folder)
        tokenizers.write(self.tokenizer, folder)
        write_document(folder / "padding.json", asdict(self.padding))


def as_graph(classify: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function of texts, (batch,), that is compiled once for batches of any size."""
    graph: Callable[[tf.Tensor], tf.Tensor] = tf.function(classify, [tf.TensorSpec((None,), tf.string)])
    return graph


def in_batches(classify: Callable[[tf.Tensor], tf.Tensor], texts: Sequence[str], classes: int) -> Probabilities:
    """Return the probabilities that a graph gives to texts, (texts, classes); texts of similar length go together."""
    lengths = np.array([len(text) for text in texts], np.int64)
    order, made = np.argsort(lengths, kind="stable"), np.zeros((len(texts), classes))
    begin = 0
    while begin < len(order):
        rows = order[begin : begin + _MAX_BATCH_TEXTS]
        padded = lengths[rows] * np.arange(1, len(rows) + 1)
        rows = rows[: max(1, int(np.searchsorted(padded, _MAX_BATCH_CHARACTERS)))]
        made[rows] = classify(tf.constant([texts[row] for row in rows]))
        begin += len(rows)
    return made


def read(folder: Path) -> TextModel:
    """Read a model that `TextModel.write` wrote, from a folder whose hashes were verified."""
    padding = Padding(**read_document(folder / "padding.json"))
    return TextModel(tokenizers.read(folder), padding, saved_network.read(folder))
