"""Image classifiers, one file a kind.

A model is a settings class with `build(shape)`: an uncompiled Keras model from pixels (batch, height, width, channels),
0 to 255, to logits (batch, outputs) (`gristmill/domains/vision/model_shape.py`). Rescaling is inside it.
"""
