"""Decision of a classifier: the predicted class and the conformal prediction set, from probabilities."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.domains.common.classification.labelled import Labels
from gristmill.scores import FILE
from gristmill.util.table_io import read_document

Values = npt.NDArray[np.float64]

_KEY = "decision"  # in `scores.json` and `signature.json`


@dataclass(frozen=True)
class Decision:
    """Limits of the probabilities; without any, the most probable class is predicted."""

    threshold: float | None = None  # of two classes, the second is predicted if its probability is above
    coverage: float | None = None  # share of the sets that should contain the true class
    set_limits: Sequence[float] | None = None  # probability from which a class is in the set, for each class

    @classmethod
    def read(cls, folder: Path) -> "Decision":
        """Read the decision of the model from the folder of an evaluation or a bundle."""
        return cls(**read_document(folder / FILE).get(_KEY, {}))

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Return the entry of `scores.json` and `signature.json`, if there is any limit."""
        limits = {name: value for name, value in asdict(self).items() if value is not None}
        return {_KEY: limits} if limits else {}

    def labels(self, probabilities: npt.NDArray[Any]) -> Labels:
        """Return the position of the predicted class of each example, given (examples, classes)."""
        if self.threshold is None:
            return np.asarray(probabilities.argmax(axis=1))
        above = probabilities[:, 1].astype(np.float32) > np.float32(self.threshold)  # as the exported graph compares
        return above.astype(np.int64)

    def sets(self, probabilities: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return whether each class is in the set of each example, (examples, classes)."""
        chosen = np.asarray(probabilities >= np.array(self.set_limits or 0.0))
        chosen[np.arange(len(chosen)), self.labels(probabilities)] = True
        return chosen

    def set_names(self, probabilities: npt.NDArray[Any], classes: Sequence[str]) -> list[str]:
        """Return the classes in the set of each example: `cat|dog`."""
        names = np.array(classes, object)
        return ["|".join(names[chosen]) for chosen in self.sets(probabilities)]

    def error_costs(self, is_second: npt.NDArray[np.bool_]) -> Values:
        """Return the relative costs of errors for which the threshold is best, by example.

        Source: Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.
        """
        threshold = 0.5 if self.threshold is None else self.threshold
        return np.where(is_second, 1 - threshold, threshold)


MOST_PROBABLE = Decision()
