"""Select: choose the best text classifier, or a weighted average of several."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import tensorflow as tf

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.classification.selection import WeightedModel, select_classifiers, write_average
from gristmill.domains.common.selection import Call
from gristmill.domains.text import dataset
from gristmill.domains.text.text_classifier import TextClassifier
from gristmill.settings.selection import Select


def select(
    *, select: Select, preprocess: Path, candidates: Mapping[str, CandidateArtifacts], out: Path
) -> dict[str, int]:
    """Choose weights of candidates by the log loss of their held-out predictions.

    Writes the average as `train` writes a classifier, `selection.json` and `leaderboard.parquet`.

    Raises:
        WorkError: no candidate is left.
    """
    data = dataset.read(preprocess)

    def predict_one(name: str) -> Call:
        sequences = data.sequences("train")
        median = sequences[sequences.lengths.argsort()[len(sequences) // 2]]
        text = data.tokenizer().decode(tf.constant(median)[tf.newaxis]).numpy()[0].decode()
        return partial(TextClassifier.read(candidates[name].train).predict, [text])

    chosen, temperatures = select_classifiers(data, candidates, select, out, predict_one, geometric=True)
    return write_average(TextClassifier, _average, chosen, temperatures, candidates, out)


def _average(members: Sequence[WeightedModel[TextClassifier]]) -> TextClassifier:
    """Return the average of classifiers of a single model each."""
    models = [
        replace(model.members[0], weight=weight, temperature=temperature) for model, weight, temperature in members
    ]
    return TextClassifier(tuple(models))
