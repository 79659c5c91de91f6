"""Versions of models, their bundles and promotions."""
