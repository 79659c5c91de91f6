"""Select: choose the best classifier of images, or a weighted average of several."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.classification.selection import average_of_networks, select_classifiers, write_average
from gristmill.domains.common.selection import Call
from gristmill.domains.vision import dataset
from gristmill.domains.vision.image_classifier import ImageClassifier
from gristmill.settings.selection import Select


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
    return write_average(ImageClassifier, average_of_networks, chosen, temperatures, candidates, out)
