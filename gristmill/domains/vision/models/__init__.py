"""Image classifiers.

A model is a settings class. A network has a method `build(shape)`, which returns an uncompiled Keras model from pixels
(batch, height, width, channels), 0 to 255, to logits (batch, outputs), with the rescaling inside. A closed-form model
has a method `fit(data)`, which returns a fitted Keras model from uint8 pixels to probabilities (batch, classes).
"""
