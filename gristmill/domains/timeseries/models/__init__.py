"""Forecasting models.

A model is a settings class with a field `kind` and a method `build(shape)`. The method returns an uncompiled Keras
model from standardised windows `(batch, history, columns)` to `(batch, outputs)`, or to `(batch, history, outputs)` if
`shape.sequence` (`gristmill/domains/timeseries/model_shape.py`). A history of None accepts windows of any length. A
model that is fitted in closed form also has `solve`.
"""
