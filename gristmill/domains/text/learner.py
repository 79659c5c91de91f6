"""Learner of texts."""

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import keras

from gristmill.domains.common.classification.held_out import learning_rows
from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.folds import Positions
from gristmill.domains.common.supervised import ClassifierLearner
from gristmill.domains.text.dataset import Prepared, texts_of
from gristmill.domains.text.text_classifier import LabelledTexts, Padding, TextClassifier
from gristmill.training.train_steps import ClosedForm
from gristmill.util.timing import fastest

_MAX_TIMED = 256  # texts


class TextLearner(ClassifierLearner[TextClassifier]):
    """Texts, which models read as they are in the ingest artifact."""

    noun = "texts"

    def __init__(self, data: Prepared, ingest: Path, balanced: bool = False) -> None:
        super().__init__(data, balanced)
        self._data, self._ingest = data, ingest

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        return texts_of(self._data, PARTS, self._ingest)

    def weighted(self, balanced: bool) -> Self:
        return type(self)(self._data, self._ingest, balanced)

    def fit(self, model: ClosedForm, positions: Positions) -> TextClassifier:
        labels = learning_rows(self._data)["label"].to_numpy()[positions]
        texts = LabelledTexts(self._learned(positions), labels, len(self._data.classes), self.is_balanced)
        classifier: TextClassifier = model.fit(texts)
        return classifier

    def predict(self, fitted: TextClassifier, positions: Positions) -> Probabilities:
        return fitted.predict(self._learned(positions))

    def predict_test(self, fitted: TextClassifier) -> Probabilities:
        return fitted.predict(self._texts["test"])

    def microseconds(self, fitted: TextClassifier) -> float:
        timed = self._texts["test"][:_MAX_TIMED]
        return fastest(partial(fitted.predict, timed)) / len(timed) * 1e6

    def of_network(self, network: keras.Model) -> TextClassifier:
        layout = self._data.layout
        padding = Padding(layout.length, layout.pad, layout.truncate)
        return TextClassifier.of(self._data.tokenizer(), padding, network)

    def read(self, folder: Path) -> TextClassifier:
        return TextClassifier.read(folder)

    def _learned(self, positions: Positions) -> Sequence[str]:
        """Return the texts to learn from at some positions."""
        texts = self._texts["train"] + self._texts["validation"]
        return [texts[at] for at in positions]
