"""Image classification: train and test a classifier on labelled photos."""
