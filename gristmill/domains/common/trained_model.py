"""A trained model of text, vision or tables, from raw examples to predictions.

It can be one network, an average of networks, or networks with their tokenizers. Callers use the same methods for all.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.training import saved_network

Predictions = npt.NDArray[np.float64]  # numbers (examples,), or probabilities (examples, classes)


class TrainedModel(ABC):
    """A model that was fitted to the examples of a domain."""

    @property
    @abstractmethod
    def networks(self) -> list[keras.Model]:
        """Keras networks of the model."""

    @property
    def parameters(self) -> int:
        """Number of parameters of all networks."""
        return sum(network.count_params() for network in self.networks)

    @property
    def resources(self) -> list[Any]:
        """Objects that its SavedModel must track."""
        return list(self.networks)

    @abstractmethod
    def predict(self, examples: Any) -> Predictions:
        """Return the predictions of raw examples."""

    @abstractmethod
    def in_graph(self, examples: Any) -> dict[str, tf.Tensor]:
        """Return the outputs for raw examples in a graph; `predictions` is one of them."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the model into the artifact of train or select."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path) -> Self:
        """Read a model that was written, from a folder whose hashes were verified."""


M = TypeVar("M", bound=TrainedModel)


@dataclass(frozen=True, eq=False)
class NetworkModel(TrainedModel):
    """A model that is one network, from raw examples to predictions."""

    network: keras.Model

    @property
    def networks(self) -> list[keras.Model]:
        return [self.network]

    def in_graph(self, examples: Any) -> dict[str, tf.Tensor]:
        return {"predictions": self.network(examples, training=False)}

    def write(self, folder: Path) -> None:
        saved_network.write(self.network, folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(saved_network.read(folder))
