"""What a text pipeline trains, selects and exports: one text model, or a weighted average of several.

Each member reads the raw strings by its own tokenizer; members with equal tokenizers share its work. The average is of
probabilities at each member's temperature.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.classification.temperature import scale_in_graph
from gristmill.domains.text import text_model
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.domains.text.text_model import TextModel
from gristmill.util.table_io import read_document, write_document

_MEMBERS = "members.json"  # weights and temperatures; a folder without it holds a single model


@dataclass(frozen=True)
class Member:
    """One model of the average."""

    model: TextModel
    weight: float = 1.0
    temperature: float = 1.0


@dataclass(frozen=True)
class TextClassifier:
    """A classifier of raw strings."""

    members: tuple[Member, ...]  # their weights sum to 1

    def probabilities(self, texts: Sequence[str]) -> Probabilities:
        """Return the probabilities of texts: (texts, classes)."""
        classes = self.members[0].model.network.output_shape[1]
        return text_model.in_batches(self._graph, texts, classes)

    @cached_property
    def _graph(self) -> Callable[[tf.Tensor], tf.Tensor]:
        return text_model.as_graph(lambda texts: self.classify(texts)[0])

    def classify(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the probabilities of texts, (batch,), and the number of known tokens, in a graph.

        These are (batch, classes) and int32 (batch,): the largest number of a member, after truncation.
        """
        tokens = self._tokens(texts)
        known = [tf.reduce_sum(tf.cast(read > UNKNOWN, tf.int32), axis=1) for read in tokens]
        weighted = [
            one.weight * _scaled(one.model.network(read, training=False), one.temperature)
            for one, read in zip(self.members, tokens, strict=True)
        ]
        return tf.add_n(weighted), tf.reduce_max(tf.stack(known), axis=0)

    def _tokens(self, texts: tf.Tensor) -> list[tf.Tensor]:
        """Return what each member reads, int32 (batch, width); equal work is done once."""
        encoded: list[tuple[tokenizers.Tokenizer, tf.RaggedTensor]] = []
        padded: list[tuple[Any, tf.Tensor]] = []
        tokens = []
        for member in self.members:
            model = member.model
            ragged = next((made for one, made in encoded if tokenizers.are_equal(one, model.tokenizer)), None)
            if ragged is None:
                ragged = model.tokenizer.encode(texts)
                encoded.append((model.tokenizer, ragged))
            form = (id(ragged), model.padding, model.full_width)
            read = next((made for one, made in padded if one == form), None)
            if read is None:
                read = model.padding.padded(ragged, model.full_width)
                padded.append((form, read))
            tokens.append(read)
        return tokens

    @property
    def trackables(self) -> list[Any]:
        """What a SavedModel of it must track."""
        return [each for one in self.members for each in (one.model.network, *one.model.tokenizer.trackables)]

    def write(self, folder: Path) -> None:
        """Write a single model, or `members.json` and a folder for each member."""
        if self.members == (Member(self.members[0].model),):
            self.members[0].model.write(folder)
            return
        write_document(folder / _MEMBERS, [[member.weight, member.temperature] for member in self.members])
        for place, member in zip(_places(folder, len(self.members)), self.members, strict=True):
            place.mkdir()
            member.model.write(place)


def read(folder: Path) -> TextClassifier:
    """Read a classifier that was written, from a folder whose hashes were verified."""
    if not (folder / _MEMBERS).exists():
        return TextClassifier((Member(text_model.read(folder)),))
    numbers = read_document(folder / _MEMBERS)
    places = _places(folder, len(numbers))
    return TextClassifier(
        tuple(Member(text_model.read(place), *pair) for place, pair in zip(places, numbers, strict=True))
    )


def _places(folder: Path, count: int) -> list[Path]:
    return [folder / f"member-{number}" for number in range(count)]


def _scaled(probabilities: tf.Tensor, temperature: float) -> tf.Tensor:
    return probabilities if temperature == 1 else scale_in_graph(probabilities, temperature)
