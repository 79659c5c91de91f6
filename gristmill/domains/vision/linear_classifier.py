"""Logistic regression on features that a fixed network computes from pixels, as one network to probabilities."""

import keras
import numpy as np

from gristmill.domains.common.classification.logistic import choose_penalty, solve_logistic
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.vision.image_classifier import CLASSIFIER, HEAD, image_input
from gristmill.domains.vision.labelled_images import LabelledImages

_MAX_IMAGES, _MAX_NUMBERS = 20_000, 6_000_000  # images, and features of all, that are fitted on


def fit_linear(images: LabelledImages, featuriser: keras.Model) -> keras.Model:
    """Return the classifier, from uint8 pixels to probabilities, of a featuriser with logistic regression on top.

    The featuriser takes uint8 pixels and gives features (batch, features).
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
    network = keras.Model(featuriser.input, head(featuriser.output), name=CLASSIFIER)
    head.set_weights([fitted.weights.astype(np.float32), fitted.bias.astype(np.float32)])
    return network


def majority_classifier(images: LabelledImages) -> keras.Model:
    """Return the network that gives the frequencies of the classes for any image."""
    frequencies = np.bincount(images.labels, minlength=len(images.layout.classes)) / len(images)
    image, pixels = image_input(images.layout.shape.image)
    head = keras.layers.Dense(len(frequencies), trainable=False, name=HEAD)
    network = keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(pixels)), name=CLASSIFIER)
    head.set_weights([np.zeros((images.layout.shape.channels, len(frequencies)), np.float32), frequencies])
    return network
