"""Temperature scaling: one number that calibrates a classifier's probabilities without changing its decisions.

Probabilities p become p^(1/T), normalised: above 1 the temperature T lowers the confidence, below 1 it raises it.

Source: Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

import keras
import numpy as np
from keras import ops
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from gristmill.domains.common.classification.labelled import Labels, Weights
from gristmill.domains.common.classification.predictions import MIN_PROBABILITY, Probabilities

_PENALTY = 8.0  # of the squared logarithm; chosen by held-out predictions of ten tables
_MAX_LOG_TEMPERATURE = 3.0  # a temperature lies between 1/20 and 20


def fit_temperature(truth: Labels, probabilities: Probabilities, weights: Weights | float = 1.0) -> float:
    """Return the temperature that minimises the log loss of probabilities, (examples, classes), on their labels.

    The loss of each example is multiplied by its weight; the mean of the weights is 1. To the summed loss is added a
    penalty: 8 times the square of the temperature's logarithm. Among thousands of examples this does not count; of a
    few that all happen to be right, it keeps the probabilities from certainty.
    """
    logarithms, rows = np.log(np.maximum(probabilities, MIN_PROBABILITY)), np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logarithms * np.exp(-log_temperature), axis=1)
        return float(-(weights * scaled[rows, truth]).sum() + _PENALTY * log_temperature**2)

    bounds = (-_MAX_LOG_TEMPERATURE, _MAX_LOG_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def scale_logarithms(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Return the logarithms of probabilities, (examples, classes), at a temperature."""
    return np.asarray(log_softmax(np.log(np.maximum(probabilities, MIN_PROBABILITY)) / temperature, axis=1))


def scale_network(network: keras.Model, temperature: float) -> keras.Model:
    """Return a network of probabilities with these at a temperature."""
    if temperature == 1:
        return network
    unscaled = keras.Input(network.output_shape[1:], name="unscaled")
    scaling = keras.Model(unscaled, scale_in_graph(unscaled, temperature), name="temperature")  # names must differ
    return keras.Model(network.input, scaling(network.output), name=network.name)


def scale_in_graph(probabilities: keras.KerasTensor, temperature: float) -> keras.KerasTensor:
    """Return probabilities, (batch, classes), at a temperature."""
    return ops.softmax(scaled_logits(probabilities, temperature), axis=-1)


def scaled_logits(probabilities: keras.KerasTensor, temperature: float) -> keras.KerasTensor:
    """Return logits of probabilities at a temperature, (batch, classes): their logarithms up to a constant."""
    return ops.log(ops.maximum(probabilities, MIN_PROBABILITY)) / temperature
