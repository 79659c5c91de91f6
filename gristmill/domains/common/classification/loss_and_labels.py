"""What a classifier is asked to give: labels in the form of its loss, the weight of each, and what is measured."""

from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.settings import Train
from gristmill.training.fit import Batch, Goal


@dataclass(frozen=True)
class Targets:
    """The labels of a pipeline as training takes them."""

    data: LabelledDataset
    settings: Train
    weights: tf.Tensor | None = field(init=False)  # of each class, where they are balanced

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", self._balanced() if self.settings.class_weights else None)

    @property
    def classes(self) -> int:
        return len(self.data.classes)

    @property
    def one_hot(self) -> bool:
        """Whether a label is a row of a number a class; smoothed ones of more than two classes must be."""
        return self.classes > 2 and (self.settings.labels == "one_hot" or self.settings.label_smoothing > 0)

    def batch(self, items: tf.Tensor, labels: tf.Tensor) -> Batch:
        """Return items, their labels and, where classes are balanced, the weight of each item."""
        if self.classes == 2:
            truth = tf.cast(labels, tf.float32)[:, tf.newaxis]
        else:
            truth = tf.one_hot(labels, self.classes) if self.one_hot else labels
        return (items, truth) if self.weights is None else (items, truth, tf.gather(self.weights, labels))

    def loss(self) -> keras.losses.Loss:
        """Return the cross-entropy on logits."""
        smoothing = self.settings.label_smoothing
        if self.classes == 2:
            return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)
        if self.one_hot:
            return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def goal(self) -> Goal:
        """Return the accuracy, and where training may end early."""
        if self.classes == 2:
            accuracy: keras.metrics.Metric = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
        elif self.one_hot:
            accuracy = keras.metrics.CategoricalAccuracy("accuracy")
        else:
            accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
        return Goal(accuracy, self.settings.stop_accuracy, self.settings.stop_loss)

    def _balanced(self) -> tf.Tensor:
        """Return weights by which each class counts alike, 1 in the mean of all examples."""
        counts = np.bincount(self.data.labels("train"), minlength=self.classes)
        return tf.constant(counts.sum() / (self.classes * np.maximum(counts, 1)), tf.float32)
