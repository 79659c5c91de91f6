"""Regression models.

A model is a settings class with a method `build(features)`. It returns an uncompiled Keras model from encoded rows
(batch, features) to (batch, 1).
"""
