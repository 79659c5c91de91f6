"""Forecasting models.

A model is a settings class with a field `kind`, of one of two sorts:

- A network has a method `build(shape)`. It returns an uncompiled Keras model from standardised windows `(batch,
  history, columns)` to `(batch, outputs)`, or to `(batch, history, outputs)` if `shape.sequence` (`model_shape.py`). A
  history of None accepts windows of any length. `train` trains it.
- A kind in closed form has a method `fit(data)`. It returns a Keras model from windows in raw units to forecasts in
  raw units, fitted on the training set of `data`.

Either may see another history than that of the pipeline, or other windows (`view.py`).
"""
