"""Forecasting models, one file a kind.

A model is a settings class with `build(history, horizon)`: an uncompiled Keras model from standardised values
`(batch, history)` to standardised forecasts `(batch, horizon)`. One that is fitted in closed form has `solve` too.
"""
