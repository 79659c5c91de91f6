"""Select: choose the best classifier of images, or a weighted average of several."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.classification.selection import WeightedModel, select_classifiers, write_average
from gristmill.domains.common.classification.temperature import scale_network
from gristmill.domains.common.selection import Call
from gristmill.domains.vision import dataset
from gristmill.domains.vision.image_classifier import ImageClassifier
from gristmill.settings.selection import Select
from gristmill.training.average_network import weighted_mean
from gristmill.training.shared_layers import outputs_of


def select(
    *, select: Select, preprocess: Path, candidates: Mapping[str, CandidateArtifacts], out: Path
) -> dict[str, int]:
    """Choose weights of candidates by the log loss of their held-out predictions.

    Writes the network of the average as `train` writes one, `selection.json` and `leaderboard.parquet`.

    Raises:
        WorkError: no candidate is left.
    """
    data = dataset.read(preprocess)
    one_image = np.zeros((1, *data.layout.shape.image), np.uint8)

    def predict_one(name: str) -> Call:
        return partial(ImageClassifier.read(candidates[name].train).predict, one_image)

    chosen, temperatures = select_classifiers(data, candidates, select, out, predict_one)
    return write_average(ImageClassifier, average_of, chosen, temperatures, candidates, out)


def average_of(members: Sequence[WeightedModel[ImageClassifier]]) -> ImageClassifier:
    """Return the weighted mean of classifiers as one, which holds what several have in common, such as a base, once."""
    networks = [scale_network(member.model.network, member.temperature) for member in members]
    if len(networks) == 1:
        return ImageClassifier(networks[0])
    image = keras.Input(networks[0].input_shape[1:], dtype="uint8", name="image")
    mean = weighted_mean(outputs_of(networks, image), [member.weight for member in members])
    return ImageClassifier(keras.Model(image, mean, name="ensemble"))
