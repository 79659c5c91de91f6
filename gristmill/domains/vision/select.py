"""Select: choose the best classifier of images, or a weighted average of several."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.classification.selection import select_classifiers
from gristmill.domains.vision import dataset
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.ensemble import Member, average
from gristmill.settings.selection import Select
from gristmill.training import saved_network
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import write_trained

_TIMED_CALLS = 20


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
        data, candidates, select, out, lambda name: _milliseconds(candidates[name].train, data)
    )
    members = [
        Member(name, saved_network.read(candidates[name].train), weight, temperatures[name])
        for name, weight in chosen.weights.items()
    ]
    counts = write_trained(average(members), TrainingHistory(), out)
    return counts | {"candidates": len(candidates), "members": len(members)}


def _milliseconds(folder: Path, data: Prepared) -> float:
    """Return the time to classify one image."""
    network, pixels = saved_network.read(folder), np.zeros((1, *data.layout.shape.image), np.uint8)
    network.predict_on_batch(pixels)  # builds the graph
    begun = time.perf_counter()
    for _ in range(_TIMED_CALLS):
        network.predict_on_batch(pixels)
    return (time.perf_counter() - begun) / _TIMED_CALLS * 1000
