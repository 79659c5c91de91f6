"""Boosted trees: fitted by LightGBM in a process of its own, and as layers of a network."""
