"""Examples with a class each, split into parts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

PARTS = ("train", "validation", "test")
TOGETHER = "kept together"  # column with the number of the group that stays in one set, if any has several examples

_RESERVED = ("id", "label", "part", TOGETHER, "all", "class")  # by the index and the scores

Labels = npt.NDArray[np.int64]  # (examples,): position of the class


@dataclass(frozen=True)
class LabelledDataset:
    """The examples of all parts.

    `index` holds one row per example, part by part: `id`, `label` (position of the class), `part`, and metadata.
    """

    index: pd.DataFrame
    classes: list[str]

    @property
    def columns(self) -> list[str]:
        """Columns of metadata to score by, except names that the scores use themselves."""
        return [str(name) for name in self.index if name not in _RESERVED]

    def rows(self, part: str) -> pd.DataFrame:
        """Return the index of a part."""
        return self.index[self.index["part"] == part].reset_index(drop=True)

    def labels(self, part: str) -> Labels:
        """Return the labels of a part."""
        return self.rows(part)["label"].to_numpy(np.int64)
