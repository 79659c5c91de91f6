"""Select: choose the best text classifier, or a weighted average of several."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import tensorflow as tf

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.classification.selection import select_classifiers
from gristmill.domains.common.selection import Call
from gristmill.domains.text import dataset, text_classifier
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.text_classifier import TextClassifier
from gristmill.settings.selection import Select
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import write_history


def select(
    *, select: Select, preprocess: Path, candidates: Mapping[str, CandidateArtifacts], out: Path
) -> dict[str, int]:
    """Choose weights of candidates by the log loss of their held-out predictions.

    Writes the average as `train` writes a classifier, `selection.json` and `leaderboard.parquet`.

    Raises:
        WorkError: no candidate is left.
    """
    data = dataset.read(preprocess)
    chosen, temperatures = select_classifiers(
        data, candidates, select, out, lambda name: _predict_one(_read(candidates[name]), data), geometric=True
    )
    members = tuple(
        replace(_read(candidates[name]).members[0], weight=weight, temperature=temperatures[name])
        for name, weight in chosen.weights.items()
    )
    classifier = TextClassifier(members)
    classifier.write(out)
    write_history(TrainingHistory(), out)
    return {"parameters": classifier.parameters, "candidates": len(candidates), "members": len(members)}


def _read(candidate: CandidateArtifacts) -> TextClassifier:
    return text_classifier.read(candidate.train)


def _predict_one(classifier: TextClassifier, data: Prepared) -> Call:
    """Return a call that classifies one text of the training set, of median length."""
    sequences = data.sequences("train")
    middle = sequences.lengths.argsort()[len(sequences) // 2]
    text = data.tokenizer().decode(tf.constant(sequences[middle])[tf.newaxis]).numpy()[0].decode()
    return partial(classifier.probabilities, [text])
