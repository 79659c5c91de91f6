"""A trained model of text, vision or tables, from raw examples to predictions.

It may be one network, an average of several, or networks with their tokenizers: what uses it need not know.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Self, TypeVar

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.domains.common.classification.temperature import scale_network
from gristmill.training import saved_network
from gristmill.training.average_network import average_networks

Predictions = npt.NDArray[np.float64]  # numbers (examples,), or probabilities (examples, classes)


class TrainedModel(ABC):
    """A model that was fitted to the examples of a domain."""

    @property
    @abstractmethod
    def networks(self) -> list[keras.Model]:
        """Its networks."""

    @property
    def parameters(self) -> int:
        """Number of parameters of all networks."""
        return sum(network.count_params() for network in self.networks)

    @property
    def resources(self) -> list[Any]:
        """Objects that a SavedModel of it must track."""
        return list(self.networks)

    @abstractmethod
    def predict(self, examples: Any) -> Predictions:
        """Return the predictions of raw examples."""

    @abstractmethod
    def in_graph(self, examples: Any) -> dict[str, tf.Tensor]:
        """Return the outputs for raw examples in a graph; `predictions` is one of them."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write it into the artifact of train or select."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path) -> Self:
        """Read a model that was written, from a folder whose hashes were verified."""

    @classmethod
    @abstractmethod
    def average(cls, members: "Sequence[Member[Self]]") -> Self:
        """Return the weighted average of models."""


M = TypeVar("M", bound=TrainedModel)


class Member(NamedTuple, Generic[M]):
    """A model with its share of an average."""

    model: M
    weight: float
    temperature: float = 1.0  # of its probabilities


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

    @classmethod
    def average(cls, members: Sequence[Member[Self]]) -> Self:
        scaled = [(scale_network(one.model.network, one.temperature), one.weight) for one in members]
        return cls(average_networks(scaled))
