"""Images to fit a closed-form classifier on: those of some parts, or a fold of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.duplicates import Groups
from gristmill.domains.common.classification.labelled import TOGETHER, Labels, Weights, balanced_weights
from gristmill.domains.common.folds import Positions
from gristmill.domains.vision.dataset import Features, Layout, Pixels, Prepared
from gristmill.training.deadline import check_deadlines

if TYPE_CHECKING:
    import keras

_BATCH = 64  # images; their gradients by direction take a few hundred megabytes


@dataclass(frozen=True)
class LabelledImages:
    """The chosen images of some parts, in the order of the index."""

    data: Prepared
    parts: tuple[str, ...]
    positions: Positions  # of these images among all of the parts, ascending
    balanced: bool = False  # whether images are weighted so that all classes count equally
    _built: "list[keras.Model]" = field(default_factory=list)  # the featuriser, shared with subsets of these images

    @classmethod
    def of(cls, data: Prepared, *parts: str, balanced: bool = False) -> "LabelledImages":
        """Return all images of the parts."""
        return cls(data, parts, np.arange(sum(len(data.rows(part)) for part in parts)), balanced)

    def take(self, positions: Positions) -> "LabelledImages":
        """Return some of these images, by their ascending positions."""
        return replace(self, positions=self.positions[positions])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.positions)

    @property
    def layout(self) -> Layout:
        """Size and classes of the images."""
        return self.data.layout

    @property
    def labels(self) -> Labels:
        """Labels of the images, (images,)."""
        return self._column("label")

    @property
    def groups(self) -> Groups | None:
        """Groups of images that stay in one fold, (images,), if there are any."""
        return self._column(TOGETHER) if TOGETHER in self.data.index else None

    @property
    def weights(self) -> Weights | None:
        """The weights of the images, (images,), if classes are balanced."""
        return balanced_weights(self.labels, len(self.layout.classes))[self.labels] if self.balanced else None

    def featuriser(self, build: "Callable[[], keras.Model]") -> "keras.Model":
        """Return what `build` returns, which is built once for these images and all subsets of them."""
        if not self._built:
            self._built.append(build())
        return self._built[0]

    def batches(self) -> Iterator[Pixels]:
        """Yield the pixels of the images, (batch, height, width, channels)."""
        begin = 0
        for part in self.parts:
            for pixels, _ in self.data.dataset(part, _BATCH).as_numpy_iterator():
                check_deadlines()
                chosen = self._between(begin, begin + len(pixels))
                begin += len(pixels)
                if len(chosen):
                    yield pixels[chosen]

    def features(self, featuriser: "keras.Model") -> Features:
        """Return what a network makes of the pixels, or the stored features of a frozen base: (images, features)."""
        if self.data.features:
            return self.stored_features()
        return np.concatenate([featuriser.predict_on_batch(pixels.astype(np.float32)) for pixels in self.batches()])

    def stored_features(self) -> Features:
        """Return the stored features of a frozen base, (images, features)."""
        begin, found = 0, []
        for part in self.parts:
            end = begin + len(self.data.rows(part))
            if len(chosen := self._between(begin, end)):
                found.append(self.data.stored_features(part)[chosen])
            begin = end
        return np.concatenate(found)

    def _column(self, name: str) -> Labels:
        """Return a column of numbers of the index, (images,)."""
        rows = pd.concat([self.data.rows(part)[name] for part in self.parts])
        return np.asarray(rows.to_numpy(np.int64)[self.positions])

    def _between(self, begin: int, end: int) -> Positions:
        """Return which of the images from `begin` up to `end` are chosen, counted from `begin`."""
        first, last = np.searchsorted(self.positions, (begin, end))
        return self.positions[first:last] - begin
