"""Logistic regression on features that a fixed network computes from pixels, as one network to probabilities."""

import keras
import numpy as np

from gristmill.domains.common.classification.logistic import choose_penalty, solve_logistic
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.vision.image_classifier import HEAD
from gristmill.domains.vision.labelled_images import LabelledImages

_MAX_IMAGES, _MAX_NUMBERS = 20_000, 6_000_000  # images, and features of all, that are fitted on


def fit_linear(images: LabelledImages, featuriser: keras.Model) -> keras.Model:
    """Return the classifier, from uint8 pixels to probabilities, of a featuriser with logistic regression on top.

    The featuriser takes float pixels, 0 to 255, and gives features (batch, features).
    """
    # 1. Compute the features of a sample.
    limit = min(_MAX_IMAGES, max(1, _MAX_NUMBERS // featuriser.output_shape[1]))
    sample = images.take(sample_positions(len(images), limit, images.labels))
    classes = len(images.layout.classes)
    features, labels, weights = sample.features(featuriser), sample.labels, sample.weights

    # 2. Fit the classifier, and put it on top of the featuriser.
    penalty, _ = choose_penalty(features, labels, classes, groups=sample.groups, weights=weights)
    fitted = solve_logistic(features, labels, classes, penalty, weights)
    head = keras.layers.Dense(classes, activation="softmax", trainable=False, name=HEAD)
    network = classifier(featuriser, head)
    head.set_weights([fitted.weights.astype(np.float32), fitted.bias.astype(np.float32)])
    return network


def classifier(featuriser: keras.Model, head: keras.layers.Layer) -> keras.Model:
    """Return the network from uint8 pixels to what a layer makes of their features."""
    pixels = keras.Input(featuriser.input_shape[1:], dtype="uint8", name="image")
    features = featuriser(keras.layers.Rescaling(1.0, name="as_float")(pixels))
    return keras.Model(pixels, head(features), name="classifier")


def majority_classifier(images: LabelledImages) -> keras.Model:
    """Return the network that gives the frequencies of the classes for any image."""
    frequencies = np.bincount(images.labels, minlength=len(images.layout.classes)) / len(images)
    image = keras.Input(images.layout.shape.image, name="image")
    featuriser = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image), name="mean_colour")
    head = keras.layers.Dense(len(frequencies), trainable=False, name=HEAD)
    network = classifier(featuriser, head)
    head.set_weights([np.zeros((featuriser.output_shape[1], len(frequencies)), np.float32), frequencies])
    return network
