"""Select: choose the model that needs the fewest bits for the tokens of the validation set."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.selection import Call, choose
from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import Prepared
from gristmill.domains.generation.scores import TokenOutcomes
from gristmill.domains.generation.serving import Writer
from gristmill.settings.selection import Select
from gristmill.training import saved_network

_TRAINED = (
    "architecture.json",
    "weights.npz",
    "validation.parquet",
    "training.json",
    "epochs.parquet",
    "learning_rates.parquet",
)
"""Files that train writes; the last one only after a range test."""


def select(
    *, select: Select, preprocess: Path, candidates: Mapping[str, CandidateArtifacts], out: Path
) -> dict[str, int]:
    """Choose the best candidate alone: an average would need the probabilities of all tokens at every step.

    Writes the files of its train stage, `selection.json` and `leaderboard.parquet`.

    Raises:
        WorkError: no candidate is left.
    """
    data = dataset.read(preprocess)
    selection = choose(
        candidates,
        {name: TokenOutcomes.of_validation(one.train).bits for name, one in succeeded(candidates).items()},
        lambda bits: bits,
        select.model_copy(update={"max_members": 1}),
        metric="bits per token",
        on="validation",
        predict_one=lambda name: _predict_one(candidates[name].train, data),
    )
    (winner,) = selection.weights
    for name in _TRAINED:
        if (file := candidates[winner].train / name).exists():
            shutil.copyfile(file, out / name)
    selection.write(candidates, out)
    return {"candidates": len(candidates), "members": 1}


def _predict_one(folder: Path, data: Prepared) -> Call:
    """Return a call that predicts one token with a candidate."""
    writer = Writer(saved_network.read(folder), data.tokenizer(), data.layout.length)
    logits = tf.function(writer.logits, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    return partial(logits, tf.constant(np.atleast_2d(data.stream("train")[: data.layout.length])))
