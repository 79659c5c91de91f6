"""Forecasting models, one file a kind.

A model is a settings class with `build(shape)`: an uncompiled Keras model from standardised windows
`(batch, history, columns)` to `(batch, outputs)`, or `(batch, history, outputs)` where `shape.sequence`
(`gristmill/domains/timeseries/model_shape.py`). A history of None makes it take windows of any length. A model that is
fitted in closed form has `solve` too.
"""
