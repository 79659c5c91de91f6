"""Models of rows.

A model is a settings class with a method `build(shape)` or `fit(data)`. `build` returns an uncompiled Keras model from
encoded rows (batch, features) to (batch, outputs); `fit` returns one from raw inputs to predictions.
"""
