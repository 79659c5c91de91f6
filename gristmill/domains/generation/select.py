"""Select: choose the model, or the weighted mean of several, that needs the fewest bits for the validation set."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.ensemble_weights import Losses, Predictions, weighted_average
from gristmill.domains.common.selection import Call, choose
from gristmill.domains.generation import dataset
from gristmill.domains.generation.scores import TokenOutcomes
from gristmill.domains.generation.serving import Writer, mix_networks
from gristmill.settings.selection import Select
from gristmill.training import saved_network
from gristmill.training.history import TrainingHistory
from gristmill.training.train_steps import write_trained


def select(
    *, select: Select, preprocess: Path, candidates: Mapping[str, CandidateArtifacts], out: Path
) -> dict[str, int]:
    """Choose weights of candidates by the bits that their average needs for the tokens of the validation set.

    Writes the network of the average as `train` writes one, `selection.json` and `leaderboard.parquet`.

    Raises:
        WorkError: no candidate is left.
    """
    data = dataset.read(preprocess)
    outcomes = {name: TokenOutcomes.of_validation(usable.train) for name, usable in succeeded(candidates).items()}
    probabilities = {name: np.exp2(-outcome.bits) for name, outcome in outcomes.items()}

    def predict_one(name: str) -> Call:
        writer = Writer(saved_network.read(candidates[name].train), data.tokenizer(), data.layout.length)
        logits = tf.function(writer.logits, input_signature=[tf.TensorSpec((None, None), tf.int32)])
        return partial(logits, tf.constant(np.atleast_2d(data.stream("train")[: data.layout.length])))

    selection = choose(
        candidates, probabilities, _bits, select, metric="bits per token", on="validation", predict_one=predict_one
    )
    keras.backend.clear_session()  # names of layers must not depend on other work of this process
    members = [(saved_network.read(candidates[name].train), weight) for name, weight in selection.weights.items()]
    counts = write_trained(mix_networks(members), TrainingHistory(), out)
    average = TokenOutcomes(_bits(weighted_average(probabilities, selection.weights)), None)
    (outcomes[next(iter(selection.weights))] if len(members) == 1 else average).write_validation(out)
    selection.write(candidates, out)
    return counts | {"candidates": len(candidates), "members": len(members)}


def _bits(probabilities: Predictions) -> Losses:
    with np.errstate(divide="ignore"):  # a model that rules out a token that occurs has infinitely many
        return -np.log2(probabilities)
