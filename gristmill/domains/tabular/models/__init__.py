"""Regression models, one file a kind.

A model is a settings class with `build(features)`: an uncompiled Keras model from encoded rows (batch, features) to
(batch, 1).
"""
