"""The SavedModel of a classifier of texts, which takes raw strings and names their class.

`serving_default` takes texts, UTF-8 strings (batch,), and gives `probabilities` (batch, classes), `classes`, the names
in the same order (batch, classes), `label`, the likeliest name (batch,), and `known`, how many tokens that the network
is shown of a text are in the vocabulary, int32 (batch,). The tokenizer is in the graph, so a text is cut into tokens,
truncated and filled up exactly as the training texts were. A text without a token, an empty one, is a sequence of
padding alone. What a network makes of a text of which nothing is known means nothing.
"""

from pathlib import Path

import keras
import tensorflow as tf

from gristmill.domains.text.dataset import Layout
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.domains.text.tokenizer import Tokenizer, pad_tokens
from gristmill.training.tf_disk_errors import told_as_python


class Classifier:
    """A network with what stands before it, the tokenizer, and the names of its classes."""

    def __init__(self, network: keras.Model, tokenizer: Tokenizer, layout: Layout) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._layout = layout

    def of_texts(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify texts, (batch,)."""
        layout = self._layout
        tokens = pad_tokens(self._tokenizer.encode(texts), layout.length, layout.pad, layout.truncate)
        probabilities = self._network(tf.ensure_shape(tokens, (None, layout.length)), training=False)
        names = tf.constant(layout.classes)
        return {
            "probabilities": probabilities,
            "classes": tf.repeat(names[tf.newaxis], tf.shape(texts)[0], axis=0),
            "label": tf.gather(names, tf.argmax(probabilities, axis=1)),
            "known": tf.reduce_sum(tf.cast(tokens > UNKNOWN, tf.int32), axis=1),
        }


def write(network: keras.Model, tokenizer: Tokenizer, layout: Layout, place: Path) -> None:
    """Write a SavedModel with the signature `serving_default`."""
    classifier = Classifier(network, tokenizer, layout)
    archive = keras.export.ExportArchive()
    for resource in (network, *tokenizer.trackables):
        archive.track(resource)
    archive.add_endpoint("serving_default", classifier.of_texts, [tf.TensorSpec((None,), tf.string, name="text")])
    with told_as_python(place):
        archive.write_out(place, verbose=False)
