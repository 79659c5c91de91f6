"""Text: train and test a classifier of raw strings on labelled texts."""
