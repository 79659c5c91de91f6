"""From logits to probabilities, a number a class."""

import keras


def probabilities(logits: keras.KerasTensor) -> keras.KerasTensor:
    """Return the probabilities, (batch, classes), of logits: (batch, classes), or (batch, 1) of the second of two."""
    if logits.shape[-1] > 1:
        return keras.layers.Softmax(name="probabilities")(logits)
    second = keras.layers.Activation("sigmoid", name="second_class")(logits)
    return keras.ops.concatenate([1 - second, second], axis=-1)
