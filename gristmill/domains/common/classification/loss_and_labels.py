"""Labels in the form that the loss needs, class weights, loss and metric of a classifier."""

import keras
import tensorflow as tf

from gristmill.domains.common.classification.labelled import LabelledDataset, balanced_weights
from gristmill.domains.common.classification.settings import Train
from gristmill.training.fit import Batch, Goal


class Targets:
    """Loss, metric and batches of a labelled dataset, for its number of classes and the training settings."""

    def __init__(self, data: LabelledDataset, settings: Train) -> None:
        self._classes = len(data.classes)
        self._settings = settings
        # Smoothed labels of more than two classes must be one-hot.
        self._one_hot = self._classes > 2 and (settings.labels == "one_hot" or settings.label_smoothing > 0)
        self._weights: tf.Tensor | None = None  # class weights if classes are balanced
        if settings.class_weights:
            self._weights = tf.constant(balanced_weights(data.labels("train"), self._classes), tf.float32)

    def batch(self, items: tf.Tensor, labels: tf.Tensor) -> Batch:
        """Return items, their labels and, where classes are balanced, the weight of each item."""
        if self._classes == 2:
            truth = tf.cast(labels, tf.float32)[:, tf.newaxis]
        else:
            truth = tf.one_hot(labels, self._classes) if self._one_hot else labels
        return (items, truth) if self._weights is None else (items, truth, tf.gather(self._weights, labels))

    def loss(self) -> keras.losses.Loss:
        """Return the cross-entropy on logits."""
        smoothing = self._settings.label_smoothing
        if self._classes == 2:
            return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)
        if self._one_hot:
            return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def goal(self) -> Goal:
        """Return the accuracy and the conditions that end training early."""
        if self._classes == 2:
            accuracy: keras.metrics.Metric = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
        elif self._one_hot:
            accuracy = keras.metrics.CategoricalAccuracy("accuracy")
        else:
            accuracy = keras.metrics.SparseCategoricalAccuracy("accuracy")
        return Goal(accuracy, self._settings.stop_accuracy, self._settings.stop_loss)
