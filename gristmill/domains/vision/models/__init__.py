"""Image classifiers.

A model is a settings class with a method `build(shape)`. It returns an uncompiled Keras model from pixels (batch,
height, width, channels), 0 to 255, to logits (batch, outputs), with the rescaling inside.
"""
