"""Select: choose the best classifier of images, or a weighted average of several."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.classification.selection import select_classifiers, write_average
from gristmill.domains.common.selection import Call
from gristmill.domains.vision import dataset
from gristmill.domains.vision.dataset import Prepared
from gristmill.settings.selection import Select
from gristmill.training import saved_network


def select(
    *, select: Select, preprocess: Path, candidates: Mapping[str, CandidateArtifacts], out: Path
) -> dict[str, int]:
    """Choose weights of candidates by the log loss of their held-out predictions.

    Writes the network of the average as `train` writes one, `selection.json` and `leaderboard.parquet`.

    Raises:
        WorkError: no candidate is left.
    """
    data = dataset.read(preprocess)
    chosen, temperatures = select_classifiers(
        data, candidates, select, out, lambda name: _predict_one(candidates[name].train, data)
    )
    return write_average(chosen, temperatures, candidates, out)


def _predict_one(folder: Path, data: Prepared) -> Call:
    """Return a call that classifies one image with a candidate's network."""
    pixels = np.zeros((1, *data.layout.shape.image), np.uint8)
    return partial(saved_network.read(folder).predict_on_batch, pixels)
